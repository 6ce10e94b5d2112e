# SPDX-License-Identifier: BSL-1.0
# Headers, the find_package files and the pkg-config file. Nothing installed depends on the machine, so all of it
# goes below share/, and the .pc file finds its prefix from where it lies.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(sluice_config_dir ${CMAKE_INSTALL_DATADIR}/cmake/sluice)

install(TARGETS sluice EXPORT sluice-targets FILE_SET HEADERS)
install(DIRECTORY include/sluice/adapters DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sluice)  # they need other libraries
install(EXPORT sluice-targets NAMESPACE sluice:: DESTINATION ${sluice_config_dir})

configure_package_config_file(cmake/sluice-config.cmake.in ${PROJECT_BINARY_DIR}/sluice-config.cmake
  INSTALL_DESTINATION ${sluice_config_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may break its users: only the same minor version is compatible.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sluice-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/sluice-config.cmake ${PROJECT_BINARY_DIR}/sluice-config-version.cmake
  cmake/xxhash.cmake cmake/adapters.cmake DESTINATION ${sluice_config_dir})

configure_file(cmake/sluice.pc.in ${PROJECT_BINARY_DIR}/sluice.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sluice.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
