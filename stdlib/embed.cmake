# Writes FILES (relative to ROOT, a list) as a C table: base/embed.h says how
# it is read. The table is called TABLE. Bytes, not string literals: a literal has a length limit in C17.
set(text "/* made by stdlib/embed.cmake */\n#include \"base/embed.h\"\n")
set(rows "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ ${ROOT}/${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text
    "static const unsigned char file_${index}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${file}\", (const char *)file_${index}, "
    "sizeof file_${index} - 1},\n")
  math(EXPR index "${index} + 1")
endforeach()
string(APPEND text "const ptl_embedded ${TABLE}[] = {\n${rows}    {0, 0, 0}};\n"
  "const int ${TABLE}_count = ${index};\n")
file(WRITE ${OUTPUT} "${text}")
