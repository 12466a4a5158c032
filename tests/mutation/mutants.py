#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mutants of a C file: small changes of its text, as (start, end, replacement); and where its
functions are. Nothing is parsed further than that needs: the tree's own layout is relied on."""

import re

# What a token may become. Longer tokens first, so that "<=" is not taken for "<".
TOKENS = (("<=", ("<", "==")), (">=", (">", "==")), ("==", ("!=",)), ("!=", ("==",)),
          ("&&", ("||",)), ("||", ("&&",)), (" < ", (" <= ",)), (" > ", (" >= ",)),
          (" + ", (" - ",)), (" - ", (" + ",)), (" * ", (" + ",)), (" / ", (" * ",)),
          (" % ", (" / ",)), (" & ", (" | ",)), (" | ", (" & ",)), (" << ", (" >> ",)),
          (" >> ", (" << ",)), ("++", ("--",)), (" += ", (" = ",)), (" ^= ", (" = ",)),
          ("true", ("false",)), ("false", ("true",)))
KEYWORDS = ("return", "if", "for", "while", "switch", "else", "case")
NUMBER = re.compile(r"(?<![\w.\"%])(\d+)(?![\w.\"])")
# At once: "//" may stand in a string, and an apostrophe in a comment.
NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.S)


def blank(text):
    """Comments, strings and preprocessor lines as spaces, so that nothing in them is changed."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = NO_CODE.sub(spaces, text)
    return re.sub(r"(?m)^#(?:[^\n]*\\\n)*[^\n]*", spaces, text)


def statement_at(text, start):
    """The end of the statement from start on, at the same depth of brackets; None inside of
    brackets that close first: of an argument that starts a line."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "({[":
            depth += 1
        elif text[at] in ")}]":
            depth -= 1
            if depth < 0:
                return None
        elif text[at] == ";" and depth == 0:
            return at + 1
    return None


def conditions(code):
    """The insides of every if and while, as (start, end)."""
    for match in re.finditer(r"\b(?:if|while) \(", code):
        depth, at = 1, match.end()
        while depth > 0:
            depth += (code[at] == "(") - (code[at] == ")")
            at += 1
        yield match.end(), at - 1


def mutants_of(source):
    """(start, end, replacement) for every mutant of a file's text."""
    code = blank(source)
    body = code.find("{")
    taken = set()
    for token, others in TOKENS:
        for match in re.finditer(re.escape(token), code):
            start = match.start() + len(token) - len(token.lstrip())
            word = token.strip()
            if start < body or start in taken or (word.isalpha() and not re.match(
                    rf"\b{word}\b", code[start:])):
                continue
            taken.update(range(start, start + len(word)))
            for other in others:
                yield start, start + len(word), other.strip()
    for start, end in conditions(code):
        yield start, end, "0"
        yield start, end, "1"
    for match in NUMBER.finditer(code):
        if match.start() > body:
            yield match.start(), match.end(), str(int(match.group()) + 1)
    for match in re.finditer(r"(?m)^ +(?=[\w*>.\-\[\]]+(?: [+^|&]?= |\+\+;|\())", code):
        end = statement_at(code, match.end())
        word = re.match(r"\w+", code[match.end():])
        keyword = word and word.group() in KEYWORDS
        if end is not None and not keyword:
            yield match.end(), end, ";"


class Function:
    """A definition: its signature from `first`, its body from the brace at `body` to `end`."""

    def __init__(self, source, first, body, end):
        self.first = first
        self.body = body
        self.end = end
        self.signature = source[first:body].strip()
        before, self.name, inside = re.match(r"(?s)(.*?)(\w+)\((.*)\)$", self.signature).groups()
        self.returns = re.search(r"\bvoid\s*$", before) is None
        self.arguments = [] if inside.strip() == "void" else [
            re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$", one).group(1) for one in inside.split(",")]

    def renamed(self, name):
        static = "" if self.signature.startswith("static ") else "static "
        return static + re.sub(rf"\b{self.name}\(", f"{name}(", self.signature, count=1)


def functions_of(source):
    """Every function of a file's text, in order."""
    code = blank(source)
    found = []
    depth, behind, opened = 0, 0, 0
    for at in (match.start() for match in re.finditer(r"[{};]", code)):
        if code[at] == "{":
            opened = at if depth == 0 else opened
            depth += 1
            continue
        depth -= code[at] == "}"
        if depth == 0:
            head = code[behind:opened] if code[at] == "}" else ""
            if re.match(r"\s*\w[\w\s*]*\([^;{}]*\)\s*$", head):
                first = behind + len(head) - len(head.lstrip())
                found.append(Function(code, first, opened, at + 1))
            behind = at + 1
    return found


def describe(source, mutant):
    start, end, replacement = mutant
    line = source.count("\n", 0, start)
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    before = " ".join(source[first:last].split())
    after = " ".join((source[first:start] + replacement + source[end:last]).split())
    return line + 1, before, after
