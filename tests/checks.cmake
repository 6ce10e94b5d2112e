# SPDX-License-Identifier: BSL-1.0
# What is tested about the sources themselves, about code that must not compile, and about projects that use sluice.

set(checks ${PROJECT_SOURCE_DIR}/cmake/checks)
set(twins ${CMAKE_CURRENT_SOURCE_DIR}/checks)
set(xxhash_flag "")
if(sluice_xxhash_dir AND NOT sluice_xxhash_dir IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  set(xxhash_flag -isystem,${sluice_xxhash_dir})
endif()

# check/<name> runs the check on this tree; check/<name>_bad shows on a tree of planted bugs that it can fail.
function(sluice_add_check name)
  list(JOIN ARGN "|" joined)
  add_test(NAME check/${name} COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} ${ARGN} -P ${checks}/${name}.cmake)
  add_test(NAME check/${name}_bad COMMAND ${CMAKE_COMMAND} -DCHECK=${name} -DROOT=${twins}/${name}_bad
    "-DARGUMENTS=${joined}" -P ${checks}/twin.cmake)
  set_tests_properties(check/${name} check/${name}_bad PROPERTIES LABELS check TIMEOUT 300)
endfunction()

sluice_add_check(layers)
sluice_add_check(umbrella)
sluice_add_check(orders)
sluice_add_check(docs)
sluice_add_check(format)

# What a header forgets to include is the same for every compiler; what others warn of, their builds of the tests tell.
sluice_add_check(headers -DCOMPILERS=${CMAKE_CXX_COMPILER} -DFLAGS=${xxhash_flag})
set_tests_properties(check/headers PROPERTIES PROCESSORS 2 TIMEOUT 1500)

sluice_add_check(together -DCOMPILER=${CMAKE_CXX_COMPILER} -DFLAGS=${xxhash_flag})

# What must not compile.
function(sluice_add_fail_test name source)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DSOURCE=${source}
    -DFLAGS=-I${PROJECT_SOURCE_DIR}/include,${xxhash_flag} -P ${checks}/fail.cmake)
  set_tests_properties(${name} PROPERTIES LABELS fail TIMEOUT 120)
endfunction()
file(GLOB sources CONFIGURE_DEPENDS fail/*.cpp)
foreach(source IN LISTS sources)
  cmake_path(GET source STEM name)
  sluice_add_fail_test(fail/${name} ${source})
endforeach()
# and what such a test says when it is the test that is wrong
set(sentence_compiles "compiles, and must not")
set(sentence_other_reason "the compiler does not say what is expected")
set(sentence_broken "does not compile without SLUICE_FAIL either")
set(sentence_no_sentence "has no line // Expected:")
foreach(name IN ITEMS compiles other_reason broken no_sentence)
  sluice_add_fail_test(check/fail_${name} ${twins}/fail_bad/${name}.cpp)
  set_tests_properties(check/fail_${name} PROPERTIES LABELS check PASS_REGULAR_EXPRESSION "${sentence_${name}}")
endforeach()

# Projects that use the library, as part of their build and installed. They start afresh: what an earlier run left in a
# cache or a prefix would hide a defect.
set(consumers ${CMAKE_CURRENT_SOURCE_DIR}/consumer)
set(prefix ${CMAKE_CURRENT_BINARY_DIR}/consumer/prefix)
add_test(NAME consumer/clean COMMAND ${CMAKE_COMMAND} -E rm -rf ${CMAKE_CURRENT_BINARY_DIR}/consumer)
set_tests_properties(consumer/clean PROPERTIES LABELS consumer TIMEOUT 60 FIXTURES_SETUP sluice_clean)
function(sluice_add_consumer name folder)
  add_test(NAME consumer/${name} COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test ${consumers}/${folder} ${CMAKE_CURRENT_BINARY_DIR}/consumer/${name}
    --build-generator ${CMAKE_GENERATOR}
    --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} ${ARGN}
    --test-command consumer)
  set_tests_properties(consumer/${name} PROPERTIES LABELS consumer TIMEOUT 300 FIXTURES_REQUIRED sluice_clean)
endfunction()
sluice_add_consumer(add_subdirectory add_subdirectory -DSLUICE_SOURCE=${PROJECT_SOURCE_DIR})
sluice_add_consumer(fetch_content add_subdirectory -DSLUICE_SOURCE=${PROJECT_SOURCE_DIR} -DUSE_FETCH_CONTENT=ON)

add_test(NAME consumer/install COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${prefix})
set_tests_properties(consumer/install PROPERTIES LABELS consumer TIMEOUT 60 FIXTURES_SETUP sluice_installed
  FIXTURES_REQUIRED sluice_clean)
set(wanted ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
sluice_add_consumer(find_package find_package -DCMAKE_PREFIX_PATH=${prefix} -DSLUICE_WANTED=${wanted})
add_test(NAME consumer/wrong_version COMMAND ${CMAKE_COMMAND} -S ${consumers}/wrong_version
  -B ${CMAKE_CURRENT_BINARY_DIR}/consumer/wrong_version -DCMAKE_PREFIX_PATH=${prefix} -DSLUICE_IS=${PROJECT_VERSION})
set_tests_properties(consumer/wrong_version PROPERTIES LABELS consumer TIMEOUT 60)
add_test(NAME consumer/pkg_config COMMAND ${CMAKE_COMMAND} -DPREFIX=${prefix} -DSLUICE_IS=${PROJECT_VERSION}
  -DCOMPILER=${CMAKE_CXX_COMPILER} -DFLAGS=${xxhash_flag} -DOUTPUT=${CMAKE_CURRENT_BINARY_DIR}/consumer/pkg_config
  -P ${consumers}/pkg_config/test.cmake)
set_tests_properties(consumer/pkg_config PROPERTIES LABELS consumer TIMEOUT 300
  SKIP_REGULAR_EXPRESSION "pkg_config: skipped")
set_tests_properties(consumer/find_package consumer/wrong_version consumer/pkg_config PROPERTIES
  FIXTURES_REQUIRED "sluice_installed;sluice_clean")
