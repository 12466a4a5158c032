#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reference/ from the comments of the public headers and the package's docstrings.

    python3 scripts/make_reference.py [--check]

Reads the sources as text: nothing is compiled or imported. With --check nothing is written, and the
exit code is 1 where a page is not what would be written (tests/tidy/check_reference.py).
"""
import argparse
import ast
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
C_HEADERS = ("espalier.h", "espalier_slot.h", "espalier_inspect.h", "espalier_convert.h",
             "espalier_publish.h")
CPP_HEADERS = ("espalier.hpp", "espalier_slot.hpp")
CORE_SOURCES = ("py_one.c", "py_model.c")  # where docstrings of the package are written in C
PACKAGE_FILES = ("__init__.py", "_model.py", "_converting.py", "_errors.py")
CODE_COLUMNS = 92
NOTE = "<!-- Made by scripts/make_reference.py from %s: change that, and run it again. -->"


# --- comments -----------------------------------------------------------------------------------

def comment_text(comment):
    """What a C comment says, without its frame."""
    body = comment.strip()[2:-2]
    lines = [re.sub(r"^\s*\* ?", "", line) for line in body.splitlines()[1:]]
    first = body.splitlines()[0].strip() if body else ""
    return "\n".join([first] + lines).strip("\n").rstrip()


def escape(line):
    """Markdown's own characters, outside of `code`."""
    parts = line.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = parts[i].replace("*", "\\*").replace("<", "&lt;")
    return "`".join(parts)


def show_prose(text):
    """A comment as Markdown; lines that are indented by four stay code."""
    text = re.sub(r"\s*\bStatus: ", "\n\nStatus: ", text).strip("\n")
    lines = []
    for line in text.splitlines():
        is_code = line.startswith("    ")
        if is_code and lines and lines[-1] and not lines[-1].startswith("    "):
            lines.append("")
        lines.append(line if is_code else escape(line))
    return re.sub(r"^Status: ", "**Status:** ", "\n".join(lines), flags=re.MULTILINE)


def first_sentence(text):
    words = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[a-z0-9)`])[.:;] ", re.sub(r"\bStatus: .*", "", words))[0]
    return escape(sentence.strip().rstrip(".:;")).replace("|", "\\|")


def read_title(text):
    """The title of a banner comment, and what follows it; None for other comments."""
    lines = [line.strip() for line in text.splitlines()]
    if not lines or not re.match(r"-{20,}", lines[0]):
        return None
    kept = [line for line in text.splitlines() if not re.match(r"\s*-{20,}\s*$", line)]
    return kept[0].strip(), "\n".join(kept[1:]).strip("\n")


# --- C headers ----------------------------------------------------------------------------------

SKIPPED = re.compile(r'#(?:if|ifdef|ifndef|else|endif|include)\b|extern "C"|}$|'
                     r"#define (?:ESPALIER_API\b|\w+_HP?P?$)")


def take_comment(lines, at):
    """The comment that begins at a line, and the line behind it."""
    end = at
    while "*/" not in lines[end]:
        end += 1
    return "\n".join(lines[at:end + 1]), end + 1


def take_declaration(lines, at):
    """Lines up to an empty one, or a comment, outside of braces."""
    end, depth = at, 0
    while end < len(lines):
        line = lines[end]
        if depth == 0 and end > at and (not line.strip() or line.startswith("/*")):
            break
        depth += line.count("{") - line.count("}")
        end += 1
    return "\n".join(lines[at:end]), end


def read_header(text):
    """(kind, text, code) of a C header in its order: prose, title, item."""
    lines = text.splitlines()
    at, comment = 1, ""
    while at < len(lines):
        line = lines[at]
        if line.startswith("/*"):
            raw, at = take_comment(lines, at)
            comment = comment_text(raw)
            title = read_title(comment)
            if title is not None:
                yield "title", title[1], title[0]
            elif at >= len(lines) or not lines[at].strip() or SKIPPED.match(lines[at]):
                yield "prose", comment, ""
            else:
                continue
            comment = ""
        elif not line.strip() or SKIPPED.match(line):
            at += 1
        else:
            code, at = take_declaration(lines, at)
            yield "item", comment, code
            comment = ""


def tidy_code(code):
    """A declaration as users need it: no export macro, no body of an inline function."""
    code = code.replace("ESPALIER_API ", "")
    if code.startswith("static inline"):
        return re.sub(r"\n\{.*", ";", code, flags=re.DOTALL)
    lines = code.splitlines()
    if len(lines) > 1 and "(" in lines[0]:  # the parameters below the first again
        shift = len("ESPALIER_API ")
        lines = [lines[0]] + [line[shift:] if line.startswith(" " * 30) else line
                              for line in lines[1:]]
    return "\n".join(lines)


def names_of(code, comment):
    """What an item declares; of a nameless enum what its comment calls it."""
    if code.startswith("#define"):
        return re.findall(r"^#define (\w+)", code, re.MULTILINE)
    if code.startswith("enum {"):
        return [comment.split("\n")[0].rstrip(".")]
    if code.startswith("typedef"):
        if "{" not in code and "(" in code:
            return re.findall(r"(espalier_\w+)\(", code)[:1]
        return re.findall(r"^\}? ?(?:.* )?(espalier_\w+);$", code, re.MULTILINE)[-1:]
    return re.findall(r"\b(espalier_\w+)\(", re.sub(r"\([^;]*\)(?=;)", "(", code))


def anchor_of(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def show_item(heading, comment, code):
    shown = "`%s`" % heading if re.fullmatch(r"\w+", heading) else escape(heading)
    comment = re.sub(r"^%s\.?$" % re.escape(heading), "", comment)
    parts = ["### " + shown, "```c\n%s\n```" % code]
    return "\n\n".join(parts + ([show_prose(comment)] if comment else []))


def show_header(name):
    """One page of one C header."""
    entries, index = [], []
    intro = ""
    for kind, comment, code in read_header((ROOT / "include" / name).read_text("utf-8")):
        if kind == "title":
            entries.append("## %s" % code + ("\n\n" + show_prose(comment) if comment else ""))
        elif kind == "prose" and not intro:
            intro = show_prose(comment)
        elif kind == "prose":
            entries.append(show_prose(comment))
        elif re.fullmatch(r"#define \w+_INIT\b.*", code.split("\n")[0]):
            macro = code.split()[1]
            entries[-1] = re.sub(r"\n```(?!c)", "\n\n#define %s /* the size, and defaults */\n```"
                                 % macro, entries[-1], count=1)
        else:
            code = tidy_code(code)
            names = names_of(code, comment)
            assert names, code
            entries.append(show_item(names[0], comment, code))
            if "(" in code and not code.startswith(("#", "enum")) and "{" not in code:
                index += ["| [`%s`](#%s) | %s |" % (
                    one, anchor_of(names[0]), first_sentence(comment) if one == names[0] else "")
                          for one in names]
    table = "| function | |\n|---|---|\n" + "\n".join(index)
    return "\n\n".join(["# %s" % name, NOTE % ("include/" + name), intro, table] + entries) + "\n"


# --- the C++ header -----------------------------------------------------------------------------

def match_brace(text, at):
    """The place behind the brace that closes the one at a place."""
    depth = 0
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError("a brace that is not closed")


def take_member(text, at):
    """(head, body or None, the place behind it) of a declaration that begins at a place."""
    place, parens, starts_list = at, 0, None
    while True:
        char = text[place]
        if char in "([":
            parens += 1
        elif char in ")]":
            parens -= 1
        elif parens == 0 and char == ";":
            return text[at:starts_list or place].strip(), None, place + 1
        elif (parens == 0 and char == ":" and starts_list is None
              and text[at:place].rstrip().endswith((")", "noexcept"))
              and text[place + 1] == " "):
            starts_list = place
        elif char == "{":
            is_value = parens > 0 or text[at:place].rstrip().endswith("=") or (
                starts_list is not None and re.match(r"\w", text[place - 1]))
            end = match_brace(text, place)
            if not is_value:
                rest = re.match(r"\s*;", text[end:])
                return (text[at:starts_list or place].strip(), text[place + 1:end - 1],
                        end + (rest.end() if rest else 0))
            place = end - 1
        place += 1


def read_members(text):
    """(comment, head, body) of what a brace's inside declares publicly; titles have no head."""
    at, comment, access = 0, "", "public"
    while at < len(text):
        rest = text[at:]
        space = re.match(r"\s+|(?:#|//)[^\n]*\n", rest)
        label = re.match(r"(public|private|protected):", rest)
        if space:
            at += space.end()
        elif label:
            access = label[1]
            at += label.end()
        elif rest.startswith("/*"):
            end = text.index("*/", at) + 2
            comment = comment_text(textwrap.dedent("   " + text[at:end]))
            at = end
            if read_title(comment) is not None:
                yield read_title(comment)[0], None, None
                comment = ""
        else:
            head, body, at = take_member(text, at)
            if access == "public" and not head.startswith(("friend", "namespace detail")):
                yield comment, head, body
            comment = ""


def is_plain(body):
    """Whether a struct or enum has only fields, and is best shown as it is."""
    return "(" not in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)


CLASS = re.compile(r"(?:template <[^>]*>\s+)?(?:class|struct)\s+(?:\[\[\w+\]\]\s+)?(\w+)")


def show_class(comment, head, body):
    """A class: its comment, and its members with theirs."""
    name = CLASS.match(head)[1]
    parts = ["### `%s`" % name, "```cpp\n%s;\n```" % " ".join(head.split())]
    parts += [show_prose(comment)] if comment else []
    plain = []  # members without a comment stand together

    def end_plain():
        if plain:
            parts.append("```cpp\n%s\n```" % "\n".join(plain))
            plain.clear()

    for said, member, _ in read_members(body):
        if member is None or re.search(r"= (?:default|delete)$|~\w+\(", member):
            continue
        code = re.sub(r"\n {4}", "\n", member) + ";"
        if said:
            end_plain()
            parts.append("```cpp\n%s\n```\n\n%s" % (code, show_prose(said)))
        else:
            plain.append(code)
    end_plain()
    return "\n\n".join(parts)


def show_cpp(name):
    text = (ROOT / "include" / name).read_text("utf-8")
    intro = comment_text(text[text.index("/*"):text.index("*/") + 2])
    begin = text.index("namespace espalier\n{") + len("namespace espalier\n{")
    inside = text[begin:text.rindex("} // namespace espalier")]
    parts = ["# %s" % name, NOTE % ("include/" + name), show_prose(intro)]
    for comment, head, body in read_members(inside):
        if head is None:
            parts.append("## " + comment)
        elif comment and re.match(r"using (\w+) =", head):
            parts += ["### `%s`" % head.split()[1], "```cpp\n%s;\n```" % head, show_prose(comment)]
        elif body is None or head.startswith("template <>"):
            continue  # what a template is specialised for
        elif re.match(r"(?:enum|struct)\b", head) and is_plain(body):
            name = re.search(r"(\w+)(?: :.*)?$", head)[1]
            parts += ["### `%s`" % name, "```cpp\n%s {%s};\n```" % (head, body)]
            parts += [show_prose(comment)] if comment else []
        elif CLASS.match(head):
            parts.append(show_class(comment, head, body))
        elif comment:
            name = re.search(r"(\w+)\(", head)[1]
            parts += ["### `%s`" % name, "```cpp\n%s;\n```" % head, show_prose(comment)]
    return "\n\n".join(parts) + "\n"


# --- the Python package -------------------------------------------------------------------------

def show_docstring(text):
    """A docstring in NumPy's manner as Markdown: lists of parameters, examples as code."""
    out, code = [], []
    lines = text.strip("\n").splitlines()
    at, is_list = 0, False

    def end_code():
        if code:
            out.extend(["```pycon"] + code + ["```"])
            code.clear()

    while at < len(lines):
        line = lines[at]
        is_list = line == "Attributes:" or (is_list and line.startswith("    "))
        if code and line.strip():
            code.append(line)
        elif line.startswith(">>>"):
            code.append(line)
        elif at + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[at + 1]):
            out.append("**%s**\n" % line)
            at += 1
        elif re.match(r"\S.* : \S|\w+(?:, \w+)*$", line) and at + 1 < len(lines) and (
                lines[at + 1].startswith("    ") or " : " in line):
            out.append("- `%s`" % line)
        elif is_list and re.match(r" {4}\w[\w, ]*: ", line):
            out.append("- " + escape(line.strip()))
        else:
            end_code()
            out.append(("  " if line.startswith("    ") else "") + escape(line.strip()))
        at += 1
    end_code()
    return "\n".join(out).strip("\n")


def show_argument(node, default):
    text = node.arg + (": " + ast.unparse(node.annotation) if node.annotation else "")
    equals = " = " if node.annotation else "="
    return text + (equals + ast.unparse(default) if default is not None else "")


def show_signature(node, name):
    """A function as it is called, its arguments filled into lines."""
    given = node.args
    plain = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    shown = [show_argument(*one) for one in zip(given.args, plain) if one[0].arg != "self"]
    shown += ["*"] if given.kwonlyargs else []
    shown += [show_argument(*one) for one in zip(given.kwonlyargs, given.kw_defaults)]
    shown += ["**" + given.kwarg.arg] if given.kwarg else []
    returns = " -> " + ast.unparse(node.returns).strip("'") if node.returns else ""
    line, lines = name + "(", []
    for number, argument in enumerate(shown):
        more = argument + (", " if number + 1 < len(shown) else ")" + returns)
        if len(line) + len(more) > CODE_COLUMNS:
            lines.append(line.rstrip())
            line = " " * (len(name) + 1)
        line += more
    return "\n".join(lines + [line if shown else line + ")" + returns])


def is_property(node):
    shown = [ast.unparse(one) for one in node.decorator_list]
    return any(one == "property" or "is_property=True" in one for one in shown)


def docstring_of(node):
    return ast.get_docstring(node) or ""


def read_c_docstrings():
    """{name: (signature, docstring)} of what the extension's type brings."""
    found = {}
    string = r'"(?:[^"\\]|\\.)*"'
    for source in CORE_SOURCES:
        text = (ROOT / "python" / "src" / source).read_text("utf-8")
        for match in re.finditer(r"(?:%s\s*)+" % string, text):
            whole = "".join(ast.literal_eval(one) for one in re.findall(string, match[0]))
            head, mark, said = whole.partition("\n--\n\n")
            if mark and not head.startswith("_"):
                found[head.split("(")[0]] = (re.sub(r"\$self(?:, /|, )", "", head), said)
    return found


def show_member(node, owner):
    name = "%s.%s" % (owner, node.name)
    code = name if is_property(node) else show_signature(node, name)
    return "### `%s`\n\n```python\n%s\n```\n\n%s" % (node.name, code,
                                                    show_docstring(docstring_of(node)))


def show_python_class(node):
    bases = ", ".join(ast.unparse(one) for one in node.bases)
    parts = ["## `%s`" % node.name,
             "```python\nclass %s%s\n```" % (node.name, "(%s)" % bases if bases else ""),
             show_docstring(docstring_of(node))]
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
            parts.append(show_member(member, "model" if node.name == "Model" else node.name))
    if node.name == "Model":
        for name, (head, said) in sorted(read_c_docstrings().items()):
            parts.append("### `%s`\n\n```python\nmodel.%s\n```\n\n%s" % (
                name, head, show_docstring(said)))
    return "\n\n".join(part for part in parts if part)


def show_package():
    known, order = {}, []
    for name in PACKAGE_FILES:
        tree = ast.parse((ROOT / "python" / "espalier" / name).read_text("utf-8"))
        if name == "__init__.py":
            intro = docstring_of(tree)
            order = next(ast.literal_eval(node.value) for node in tree.body
                         if isinstance(node, ast.Assign) and node.targets[0].id == "__all__")
        known.update({node.name: node for node in tree.body
                      if isinstance(node, (ast.ClassDef, ast.FunctionDef))})
    functions = [one for one in order if isinstance(known[one], ast.FunctionDef)]
    classes = ["Model", "Report"] + [one for one in known if one in order and one not in (
        "Model", "Report") and isinstance(known[one], ast.ClassDef)]
    parts = ["# The Python package espalier", NOTE % "python/espalier", show_prose(intro)]
    for name in functions:
        node = known[name]
        parts.append("## `%s`\n\n```python\n%s\n```\n\n%s" % (
            name, show_signature(node, "espalier." + name), show_docstring(docstring_of(node))))
    parts += [show_python_class(known[name]) for name in classes]
    return "\n\n".join(parts) + "\n"


# --- pages --------------------------------------------------------------------------------------

def page_of(cpp_header):
    return cpp_header.replace(".hpp", "_hpp.md")


def make_index():
    said = {"espalier.h": "open models and predict", "espalier_slot.h": "swap models while serving",
            "espalier_inspect.h": "look into models", "espalier_convert.h": "convert saved models",
            "espalier_publish.h": "digests, signatures, stores"}
    lines = ["| [%s](%s.md) | %s |" % (name, name[:-2], said[name]) for name in C_HEADERS]
    lines += ["| [%s](%s) | C++17 over %s |" % (name, page_of(name), name.replace(".hpp", ".h"))
              for name in CPP_HEADERS]
    lines.append("| [espalier](python_package.md) | the Python package |")
    return "\n".join(["# Reference", "", NOTE % "the headers and docstrings", "",
                      "What the sources say of themselves, on pages. Guides:",
                      "[python.md](../python.md), [serving.md](../serving.md),",
                      "[bindings.md](../bindings.md).", "",
                      "| | |", "|---|---|"] + lines) + "\n"


def tidy_page(text):
    lines = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    return re.sub(r"\n{3,}", "\n\n", lines)


def make_pages():
    """{file name: text} of the whole folder."""
    pages = {"README.md": make_index(), "python_package.md": show_package()}
    pages.update({page_of(name): show_cpp(name) for name in CPP_HEADERS})
    pages.update({name[:-2] + ".md": show_header(name) for name in C_HEADERS})
    return {name: tidy_page(text) for name, text in pages.items()}


def find_stale(pages):
    """Names of pages that are not what they should be, or should not be there."""
    there = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    return sorted(name for name in pages.keys() | there.keys()
                  if pages.get(name) != there.get(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    arguments = parser.parse_args()
    pages = make_pages()
    stale = find_stale(pages)
    if arguments.check:
        for name in stale:
            print("docs/reference/%s: not what scripts/make_reference.py writes" % name)
        sys.exit(1 if stale else 0)
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        if name in pages:
            (FOLDER / name).write_text(pages[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    print("docs/reference: %d pages, %d written" % (len(pages), len(stale)))


if __name__ == "__main__":
    main()
