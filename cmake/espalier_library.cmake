# SPDX-License-Identifier: Apache-2.0
# espalier_add_library(NAME HEADER h SOURCES ... [USES lib] ...): one set of position-independent
# objects, a static and a shared library from it, and aliases as the installed package names them.
#   SYSTEM_INCLUDES    folders of foreign headers
#   USES               another of our libraries whose internals (not only its API) are used
#   BUILD_LIBRARIES    what to link in this build tree
#   SYSTEM_LIBRARIES   plain names of the same, for the static library once installed; the
#                      package so stays free of other packages' targets and of absolute paths
function(espalier_add_library name)
  cmake_parse_arguments(
    PARSE_ARGV 1 arg "" "HEADER;USES" "SOURCES;SYSTEM_INCLUDES;BUILD_LIBRARIES;SYSTEM_LIBRARIES")
  if(NOT arg_SOURCES)
    message(STATUS "espalier: ${name} has no sources yet; not built")
    return()
  endif()
  if(NOT arg_BUILD_LIBRARIES)
    set(arg_BUILD_LIBRARIES ${arg_SYSTEM_LIBRARIES})
  endif()

  add_library(${name}_objects OBJECT ${arg_SOURCES})
  target_include_directories(
    ${name}_objects PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}")
  target_include_directories(${name}_objects SYSTEM PRIVATE ${arg_SYSTEM_INCLUDES})
  target_compile_definitions(${name}_objects PRIVATE _GNU_SOURCE)
  if(CMAKE_SIZEOF_VOID_P EQUAL 4) # files beyond 2 GiB are judged, not just refused by the system
    target_compile_definitions(${name}_objects PRIVATE _FILE_OFFSET_BITS=64)
  endif()
  target_link_libraries(${name}_objects PRIVATE espalier_flags ${arg_BUILD_LIBRARIES})
  set_target_properties(${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

  foreach(kind STATIC SHARED)
    string(TOLOWER ${kind} suffix)
    set(target ${name}_${suffix})
    add_library(${target} ${kind} $<TARGET_OBJECTS:${name}_objects>)
    target_include_directories(
      ${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                       $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C)
    if(arg_USES)
      target_link_libraries(${target} PUBLIC ${arg_USES}_${suffix})
    endif()
    # Sanitizer runtimes; nothing else of the flags concerns linking.
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:espalier_flags>)
  endforeach()

  set_target_properties(
    ${name}_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${ESPALIER_ABI})
  target_link_libraries(${name}_shared PRIVATE ${arg_BUILD_LIBRARIES})
  foreach(library IN LISTS arg_BUILD_LIBRARIES)
    target_link_libraries(${name}_static PRIVATE $<BUILD_INTERFACE:${library}>)
  endforeach()
  foreach(library IN LISTS arg_SYSTEM_LIBRARIES)
    target_link_libraries(${name}_static PRIVATE $<INSTALL_INTERFACE:${library}>)
  endforeach()

  # What a shared library uses of another one's hidden internals it takes, hidden again, from
  # the static library; everything public comes from the shared one, which stands first.
  if(arg_USES)
    target_link_libraries(${name}_shared PRIVATE $<BUILD_INTERFACE:${arg_USES}_static>)
    target_link_options(${name}_shared PRIVATE "LINKER:--exclude-libs,ALL")
  endif()

  string(REPLACE "espalier_" "" short ${name})
  set_target_properties(${name}_shared PROPERTIES EXPORT_NAME ${short})
  set_target_properties(${name}_static PROPERTIES EXPORT_NAME ${short}_static)
  add_library(espalier::${short} ALIAS ${name}_shared)
  add_library(espalier::${short}_static ALIAS ${name}_static)
endfunction()
