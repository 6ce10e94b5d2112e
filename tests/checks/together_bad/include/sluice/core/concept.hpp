#pragma once
namespace sluice {
template <class T>
concept list = requires(T x) { x.size(); };
namespace detail {
template <list L>
int f(L const& x) {
    return x.size();
}
}  // namespace detail
}  // namespace sluice
