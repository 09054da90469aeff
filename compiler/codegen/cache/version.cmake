# Writes OUT: a header with a hash of the generator's own SOURCES, so that code
# made by another version of it is never taken from the cache.
cmake_minimum_required(VERSION 3.25)
set(text "")
foreach(source IN LISTS SOURCES)
  file(SHA256 ${source} hash)
  string(APPEND text ${hash})
endforeach()
string(SHA256 version "${text}")
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT
  "/* Made by version.cmake from the generator's sources. */
#define PTL_CODEGEN_VERSION \"@version@\"
")
