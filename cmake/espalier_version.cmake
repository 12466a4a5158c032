# SPDX-License-Identifier: Apache-2.0
# The library version is read from include/espalier.h, its only source. The ABI number is the
# soname: raised when a released function, struct or enum changes, and by nothing else. The file
# format has a third version of its own, in the file.
set(ESPALIER_ABI 0)

function(espalier_read_version)
  set(header "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../include/espalier.h")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
  file(STRINGS "${header}" lines REGEX "^# *define +ESPALIER_VERSION_(MAJOR|MINOR|PATCH) ")
  foreach(name MAJOR MINOR PATCH)
    if(NOT "${lines}" MATCHES "ESPALIER_VERSION_${name} +([0-9]+)")
      message(FATAL_ERROR "espalier: no ESPALIER_VERSION_${name} in ${header}")
    endif()
    set(${name} ${CMAKE_MATCH_1})
  endforeach()
  set(ESPALIER_VERSION ${MAJOR}.${MINOR}.${PATCH} PARENT_SCOPE)
endfunction()
espalier_read_version()
