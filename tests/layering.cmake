# Which rooms may include headers of which. Run: cmake -DROOT=. -P this file.
# A room is the first part of an include's path; a row lists what a folder's
# files may name. The wrong include often does not compile anyway (each target
# has its own include paths); this says it in one place, and for rooms that
# share a target.
cmake_minimum_required(VERSION 3.25)
set(rules
  "runtime/base|base"
  "runtime/exec|base runtime device exec"
  "runtime/device|base runtime device"
  "runtime/data|base runtime data"
  "runtime/train|base runtime data train dist"
  "runtime/cli|base runtime"
  "runtime/dist|base dist"
  "runtime/cluster|base runtime dist net launch train cluster"
  "runtime/launch|base launch net runtime"
  "runtime/net|base dist net"
  "runtime/include/runtime|base runtime"
  "runtime/include/dist|base dist"
  "runtime/include/net|base dist net"
  "runtime/include/launch|base launch"
  "lang|base lang"
  "compiler/ir|base lang ir" # lang: the table of scalar functions alone
  "compiler/grad|base ir opt grad"
  "compiler/opt|base ir opt"
  "compiler/sched|base ir kernel runtime sched"
  "compiler/kernel|base kernel"
  "compiler/loops|base ir kernel sched loops"
  "compiler/lower|base lang ir grad lower"
  "compiler/judge|base ir runtime judge"
  "compiler/codegen|base ir kernel sched loops runtime codegen")

set(wrong 0)
foreach(rule IN LISTS rules)
  string(REGEX MATCH "^([^|]*)[|](.*)$" _ "${rule}")
  set(folder ${CMAKE_MATCH_1})
  string(REPLACE " " ";" allowed "${CMAKE_MATCH_2}")
  file(GLOB_RECURSE files ${ROOT}/${folder}/*.c ${ROOT}/${folder}/*.h
    ${ROOT}/${folder}/*.l ${ROOT}/${folder}/*.y)
  if(NOT files)
    message(SEND_ERROR "layering: no files in ${folder}: mend the table")
  endif()
  foreach(file IN LISTS files)
    file(STRINGS ${file} lines REGEX "^ *#include \"[a-z_]+/")
    foreach(line IN LISTS lines)
      string(REGEX MATCH "\"([a-z_]+)/" _ "${line}")
      if(NOT CMAKE_MATCH_1 IN_LIST allowed)
        message(SEND_ERROR "layering: ${file}: ${line}: "
          "${folder} may include ${allowed}")
      endif()
    endforeach()
  endforeach()
endforeach()

# ZeroMQ is known in one room.
file(GLOB_RECURSE files ${ROOT}/runtime/*.[ch] ${ROOT}/lang/*.[ch]
  ${ROOT}/compiler/*.[ch])
foreach(file IN LISTS files)
  file(STRINGS ${file} lines REGEX "^ *#include <zmq")
  if(lines AND NOT file MATCHES "/runtime/net/")
    message(SEND_ERROR "layering: ${file}: only runtime/net may include zmq.h")
  endif()
endforeach()
