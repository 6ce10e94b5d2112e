// SPDX-License-Identifier: BSL-1.0
// One thread, the standard library's.
#include "workload.hpp"

namespace {
struct subject {
    explicit subject(unsigned) {}
    template <class T>
    void operator()(std::vector<T>& v) const {
        std::sort(v.begin(), v.end());
    }
    template <class T, class Less>
    void stable(std::vector<T>& v, Less less) const {
        std::stable_sort(v.begin(), v.end(), less);
    }
};
}  // namespace

void bench::register_all() { sort::register_subject<subject>("std_sort"); }
