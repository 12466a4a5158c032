# SPDX-License-Identifier: Apache-2.0
# Install rules: headers, libraries, the command and its man page, a relocatable CMake package
# and relocatable pkg-config files. No installed file holds an absolute path.
include(CMakePackageConfigHelpers)

set(ESPALIER_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/espalier")

set(ESPALIER_INSTALL_TARGETS espalier_static espalier_shared)
set(ESPALIER_INSTALL_HEADERS include/espalier.h include/espalier_inspect.h
                             include/espalier_slot.h include/espalier.hpp
                             include/espalier_slot.hpp)
foreach(part convert publish)
  if(TARGET espalier_${part}_static)
    list(APPEND ESPALIER_INSTALL_TARGETS espalier_${part}_static espalier_${part}_shared)
    list(APPEND ESPALIER_INSTALL_HEADERS include/espalier_${part}.h)
  endif()
endforeach()
install(FILES ${ESPALIER_INSTALL_HEADERS} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
# Installed side by side, the shared libraries find each other wherever the folder is moved.
foreach(target IN LISTS ESPALIER_INSTALL_TARGETS)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN")
endforeach()
set_target_properties(espalier_shared PROPERTIES INSTALL_RPATH "")

install(
  TARGETS ${ESPALIER_INSTALL_TARGETS}
  EXPORT espalier_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(
  EXPORT espalier_targets
  NAMESPACE espalier::
  FILE espalier-targets.cmake
  DESTINATION "${ESPALIER_PACKAGE_DIR}")
configure_package_config_file(
  cmake/espalier-config.cmake.in "${PROJECT_BINARY_DIR}/espalier-config.cmake"
  INSTALL_DESTINATION "${ESPALIER_PACKAGE_DIR}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/espalier-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/espalier-config.cmake"
              "${PROJECT_BINARY_DIR}/espalier-config-version.cmake"
        DESTINATION "${ESPALIER_PACKAGE_DIR}")

# pkg-config: the prefix is found from the .pc file's own place.
set(ESPALIER_PC_DIR "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(ESPALIER_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(ESPALIER_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(ESPALIER_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/prefix/${ESPALIER_PC_DIR}" "/prefix")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(ESPALIER_PC_PREFIX "\${pcfiledir}/${up}")
  set(ESPALIER_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(ESPALIER_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

function(espalier_install_pc name)
  cmake_parse_arguments(PARSE_ARGV 1 pc "" "DESCRIPTION;REQUIRES;REQUIRES_PRIVATE;LIBS_PRIVATE" "")
  if(NOT TARGET ${name}_static)
    return()
  endif()
  configure_file(
    "${PROJECT_SOURCE_DIR}/cmake/espalier.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${ESPALIER_PC_DIR}")
endfunction()

espalier_install_pc(
  espalier
  DESCRIPTION "Memory-mapped inference for tree ensembles: open and predict"
  LIBS_PRIVATE "-lm")
espalier_install_pc(
  espalier_convert
  DESCRIPTION "Espalier's converters: training libraries' model files to Espalier files"
  REQUIRES "espalier = ${PROJECT_VERSION}"
  REQUIRES_PRIVATE "jansson, libsodium, zlib, liblzma, liblz4"
  LIBS_PRIVATE "-lbz2 -lm")
espalier_install_pc(
  espalier_publish
  DESCRIPTION "Espalier's publishing: digests, versions and signatures of model files"
  REQUIRES "espalier = ${PROJECT_VERSION}"
  REQUIRES_PRIVATE "libsodium")

if(TARGET espalier_cli)
  install(TARGETS espalier_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  if(EXISTS "${PROJECT_SOURCE_DIR}/docs/man/espalier.1")
    install(FILES docs/man/espalier.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  endif()
endif()
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
