# SPDX-License-Identifier: Apache-2.0
# cmake -DFROM=cli/report -DTO=report_page.c -P espalier_report.cmake: puts the page of espalier
# inspect together and writes it as C, the bytes before and behind the data. The page may run its
# own script and style only: their digests stand in its content security policy.

# Bytes as hexadecimal to base64, three digits to two letters.
function(base64_of_hex hex result)
  set(letters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(text "")
  string(LENGTH "${hex}" length)
  math(EXPR last "${length} - 1")
  foreach(at RANGE 0 ${last} 3)
    string(SUBSTRING "${hex}00" ${at} 3 digits)
    math(EXPR high "(0x${digits} >> 6) & 63")
    math(EXPR low "0x${digits} & 63")
    string(SUBSTRING "${letters}" ${high} 1 first)
    string(SUBSTRING "${letters}" ${low} 1 second)
    string(APPEND text "${first}${second}")
  endforeach()
  # 32 bytes are 43 letters and one that fills up.
  string(SUBSTRING "${text}" 0 43 text)
  set(${result} "${text}=" PARENT_SCOPE)
endfunction()

function(write_bytes name text)
  file(WRITE "${TO}.part" "${text}")
  file(READ "${TO}.part" hex HEX)
  file(REMOVE "${TO}.part")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
  file(APPEND "${TO}.new"
    "const unsigned char espalier_report_${name}[] = {\n${bytes}\n};\n"
    "const size_t espalier_report_${name}_bytes = sizeof espalier_report_${name};\n")
endfunction()

file(READ "${FROM}/report.html" page)
file(READ "${FROM}/report.css" style)
set(script "")
foreach(name base cards trees)
  file(READ "${FROM}/report_${name}.js" part)
  string(APPEND script "${part}")
endforeach()
string(SHA256 style_hash "${style}")
string(SHA256 script_hash "${script}")
base64_of_hex("${style_hash}" style_hash)
base64_of_hex("${script_hash}" script_hash)
string(REPLACE "@STYLE_HASH@" "${style_hash}" page "${page}")
string(REPLACE "@SCRIPT_HASH@" "${script_hash}" page "${page}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
string(FIND "${page}" "@DATA@" middle)
if(middle LESS 0)
  message(FATAL_ERROR "espalier: report.html has no place for the data")
endif()
string(SUBSTRING "${page}" 0 ${middle} head)
math(EXPR middle "${middle} + 6")
string(SUBSTRING "${page}" ${middle} -1 tail)
file(WRITE "${TO}.new" "// Made by cmake/espalier_report.cmake from cli/report/.\n"
  "#include \"report.h\"\n")
write_bytes(head "${head}")
write_bytes(tail "${tail}")
file(RENAME "${TO}.new" "${TO}")
