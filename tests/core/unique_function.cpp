// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/unique_function.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

using sluice::unique_function;

namespace {

/// What happened to all objects of one counted type since the last reset.
struct counts {
    int made = 0, destroyed = 0, copied = 0, moved = 0, allocated = 0, freed = 0;
    int alive() const { return made + copied + moved - destroyed; }
};

/// A callable of the given size that counts. Its own operator new sees allocations and can fail.
template <std::size_t Size, bool NothrowMove = true, std::size_t Align = 1>
struct counted {
    inline static counts seen;
    inline static bool allocation_fails = false;
    inline static int copies_until_throw = -1;
    inline static int moves_until_throw = -1;

    static void reset() {
        seen = {};
        allocation_fails = false;
        copies_until_throw = moves_until_throw = -1;
    }

    explicit counted(int value = 0) { ++seen.made, this->value() = value; }
    counted(counted const& other) {
        if (copies_until_throw == 0) throw std::runtime_error("copy");
        if (copies_until_throw > 0) --copies_until_throw;
        ++seen.copied;
        value() = other.value();
    }
    counted(counted&& other) noexcept(NothrowMove) {
        if constexpr (!NothrowMove) {
            if (moves_until_throw == 0) throw std::runtime_error("move");
            if (moves_until_throw > 0) --moves_until_throw;
        }
        ++seen.moved;
        value() = std::exchange(other.value(), -1);
    }
    ~counted() { ++seen.destroyed; }

    int operator()(int x) { return value() + x; }

    static void* operator new(std::size_t size) {
        if (allocation_fails) throw std::bad_alloc();
        ++seen.allocated;
        return ::operator new(size);
    }
    static void* operator new(std::size_t size, std::align_val_t align) {
        if (allocation_fails) throw std::bad_alloc();
        ++seen.allocated;
        return ::operator new(size, align);
    }
    static void* operator new(std::size_t, void* place) noexcept { return place; }
    static void operator delete(void* p) noexcept {
        ++seen.freed;
        ::operator delete(p);
    }
    static void operator delete(void* p, std::align_val_t align) noexcept {
        ++seen.freed;
        ::operator delete(p, align);
    }

    int const& value() const { return value_; }
    int& value() { return value_; }

    alignas(Align < alignof(int) ? alignof(int) : Align) int value_ = 0;
    std::array<char, Size - sizeof(int)> padding{};
};

using small = counted<16>;
using large = counted<200>;
using small_that_may_throw = counted<24, false>;
using wide = counted<8, true, 64>;

int plain_function(int x) { return 2 * x; }
int plain_function_noexcept(int x) noexcept { return 3 * x; }

}  // namespace

using function = unique_function<int(int)>;

static_assert(!std::is_copy_constructible_v<function> && !std::is_copy_assignable_v<function>);
static_assert(std::is_nothrow_move_constructible_v<function> && std::is_nothrow_move_assignable_v<function>);
static_assert(std::is_nothrow_default_constructible_v<function> && std::is_nothrow_swappable_v<function>);
static_assert(std::is_nothrow_constructible_v<function, small>);
static_assert(!std::is_nothrow_constructible_v<function, small const&>, "the copy may throw");
static_assert(!std::is_nothrow_constructible_v<function, large>, "the allocation may throw");

// What fits inside.
static_assert(function::stored_inside<small> && !function::stored_inside<large>);
static_assert(!function::stored_inside<small_that_may_throw>, "a move of the whole must not throw");
static_assert(!function::stored_inside<wide> && !unique_function<int(int), 256>::stored_inside<wide>);
static_assert(function::stored_inside<std::array<char, 48>> && !function::stored_inside<std::array<char, 49>>);
static_assert(unique_function<int(int), 256>::stored_inside<large>);
static_assert(sizeof(void*) != 8 || sizeof(function) == 64);
static_assert(alignof(function) == alignof(std::max_align_t));
static_assert(sizeof(unique_function<int(int), 16>) < sizeof(function));

// What is accepted.
static_assert(std::is_constructible_v<unique_function<void(int)>, int (*)(int)>, "a result may be dropped");
static_assert(std::is_constructible_v<unique_function<long(int)>, int (*)(short)>, "what converts, converts");
static_assert(!std::is_constructible_v<function, int (*)(std::string)>);
static_assert(!std::is_constructible_v<function, std::string (*)(int)>);
static_assert(!std::is_constructible_v<function, int>);
static_assert(!std::is_constructible_v<unique_function<int const&()>, int (*)()>, "a reference to a temporary");
static_assert(!std::is_constructible_v<unique_function<long const&()>, int& (*)()>, "likewise, after a conversion");
static_assert(std::is_constructible_v<unique_function<int const&()>, int& (*)()>);
static_assert(std::is_constructible_v<unique_function<int(int) noexcept>, int (*)(int) noexcept>);
static_assert(!std::is_constructible_v<unique_function<int(int) noexcept>, int (*)(int)>, "it may throw");
static_assert(std::is_constructible_v<function, int (*)(int) noexcept>);
static_assert(noexcept(std::declval<unique_function<int(int) noexcept>&>()(1)));
static_assert(!noexcept(std::declval<function&>()(1)));
static_assert(!std::is_invocable_v<function const&, int>, "a call counts as a change");

TEST_CASE("unique_function: empty at first, after a move and after nullptr", "[core][unique_function][unit]") {
    function f;
    REQUIRE_FALSE(f);
    REQUIRE(f == nullptr);
    REQUIRE(function(nullptr) == nullptr);
    f = [](int x) { return x + 1; };
    REQUIRE(f);
    REQUIRE(f != nullptr);
    REQUIRE(f(1) == 2);
    function g = std::move(f);
    REQUIRE(f == nullptr);  // NOLINT: documented
    REQUIRE(g(2) == 3);
    g = nullptr;
    REQUIRE_FALSE(g);
    function moved_empty = std::move(g);
    REQUIRE_FALSE(moved_empty);
}

TEST_CASE("unique_function: functions, lambdas with state and move-only captures", "[core][unique_function][unit]") {
    REQUIRE(function(plain_function)(4) == 8);
    REQUIRE(function(&plain_function)(4) == 8);
    REQUIRE(unique_function<int(int) noexcept>(plain_function_noexcept)(4) == 12);

    function counting = [n = 0](int x) mutable { return n += x; };
    REQUIRE(counting(5) == 5);
    REQUIRE(counting(5) == 10);
    function moved = std::move(counting);
    REQUIRE(moved(1) == 11);

    function owning = [p = std::make_unique<int>(40)](int x) { return *p + x; };
    function const* const where = &owning;
    REQUIRE(*where);
    REQUIRE(owning(2) == 42);
    function also_owning = std::move(owning);
    REQUIRE(also_owning(3) == 43);
}

TEST_CASE("unique_function: arguments pass through as they are", "[core][unique_function][unit]") {
    unique_function<std::unique_ptr<int>(std::unique_ptr<int>)> pass = [](std::unique_ptr<int> p) {
        ++*p;
        return p;
    };
    REQUIRE(*pass(std::make_unique<int>(1)) == 2);

    unique_function<void(int&)> change = [](int& x) { x = 9; };
    int x = 0;
    change(x);
    REQUIRE(x == 9);

    unique_function<std::string(std::string&&)> consume = [](std::string&& s) { return std::move(s); };
    std::string text = "four";
    REQUIRE(consume(std::move(text)) == "four");
}

TEST_CASE("unique_function: a reference result refers to the callee's object", "[core][unique_function][unit]") {
    int target = 1;
    unique_function<int&()> reference = [&]() -> int& { return target; };
    reference() = 7;
    REQUIRE(target == 7);
    REQUIRE(&reference() == &target);
    unique_function<int const&()> constant = [&]() -> int& { return target; };
    REQUIRE(&constant() == &target);
    unique_function<int && ()> expiring = [&]() -> int&& { return std::move(target); };
    int&& expired = expiring();
    REQUIRE(&expired == &target);
}

TEMPLATE_TEST_CASE("unique_function: every callable is destroyed exactly once", "[core][unique_function][unit]", small,
                   large, small_that_may_throw, wide) {
    TestType::reset();
    auto const& seen = TestType::seen;
    {
        function f = TestType(10);
        REQUIRE(f(1) == 11);
        REQUIRE(seen.alive() == 1);
        function g = std::move(f);
        REQUIRE(seen.alive() == 1);
        REQUIRE(g(2) == 12);
        function h = TestType(20);
        REQUIRE(seen.alive() == 2);
        h = std::move(g);
        REQUIRE(seen.alive() == 1);
        REQUIRE(h(3) == 13);
        auto& self = h;
        h = std::move(self);
        REQUIRE(h(3) == 13);
        function other = TestType(30);
        swap(h, other);
        REQUIRE(h(0) == 30);
        REQUIRE(other(0) == 10);
        other = nullptr;
        REQUIRE(seen.alive() == 1);
        h = TestType(40);
        REQUIRE(h(0) == 40);
        REQUIRE(seen.alive() == 1);
    }
    REQUIRE(seen.alive() == 0);
    REQUIRE(seen.copied == 0);
    REQUIRE(seen.allocated == seen.freed);
}

TEST_CASE("unique_function: a small callable allocates nothing, any other once", "[core][unique_function][unit]") {
    small::reset();
    large::reset();
    small_that_may_throw::reset();
    {
        function inside = small(1);
        function outside = large(2);
        function careful = small_that_may_throw(3);
        auto const moves = large::seen.moved;
        auto const careful_moves = small_that_may_throw::seen.moved;
        function moved = std::move(outside);
        function careful_moved = std::move(careful);
        swap(moved, inside);
        REQUIRE(moved(0) == 1);
        REQUIRE(inside(0) == 2);
        REQUIRE(careful_moved(0) == 3);
        REQUIRE(large::seen.moved == moves);  // only the pointer moved
        REQUIRE(small_that_may_throw::seen.moved == careful_moves);
    }
    REQUIRE(small::seen.allocated == 0);
    REQUIRE(large::seen.allocated == 1);
    REQUIRE(large::seen.freed == 1);
    REQUIRE(small_that_may_throw::seen.allocated == 1);
}

TEST_CASE("unique_function: an over-aligned callable keeps its alignment", "[core][unique_function][unit]") {
    struct alignas(128) aligned {
        std::uintptr_t operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 128; }
    };
    unique_function<std::uintptr_t()> f = aligned{};
    REQUIRE(f() == 0);
    auto g = std::move(f);
    REQUIRE(g() == 0);
    unique_function<std::uintptr_t(), 256> roomy = aligned{};  // room enough, but not aligned enough
    REQUIRE(roomy() == 0);
}

TEST_CASE("unique_function: a constructor that throws leaves what was there", "[core][unique_function][unit]") {
    using callable = small_that_may_throw;
    callable::reset();
    {
        function f = [](int x) { return x; };
        callable const original(5);
        callable::copies_until_throw = 0;
        REQUIRE_THROWS_WITH(f = original, "copy");
        REQUIRE(f(3) == 3);
        callable::copies_until_throw = -1;

        callable source(6);
        callable::moves_until_throw = 0;
        REQUIRE_THROWS_WITH(f = std::move(source), "move");
        REQUIRE(f(4) == 4);
        REQUIRE(source(0) == 6);
        callable::moves_until_throw = -1;
    }
    REQUIRE(callable::seen.alive() == 0);
    REQUIRE(callable::seen.allocated == 2);
    REQUIRE(callable::seen.freed == 2);  // by the language, when the constructor threw

    small::reset();
    {
        small const original(1);
        small::copies_until_throw = 0;
        function f;
        REQUIRE_THROWS_WITH(f = original, "copy");
        REQUIRE_FALSE(f);
    }
    REQUIRE(small::seen.alive() == 0);
}

TEST_CASE("unique_function: a failed allocation leaves what was there", "[core][unique_function][unit]") {
    large::reset();
    {
        function f = [](int x) { return x; };
        large callable(8);
        large::allocation_fails = true;
        REQUIRE_THROWS_AS(f = std::move(callable), std::bad_alloc);
        REQUIRE(f(3) == 3);
        REQUIRE(callable(0) == 8);
        REQUIRE(large::seen.moved == 0);
    }
    REQUIRE(large::seen.alive() == 0);
    REQUIRE(large::seen.allocated == 0);
}

TEST_CASE("unique_function: what the callable throws reaches the caller", "[core][unique_function][unit]") {
    function f = [](int x) -> int { throw std::runtime_error(std::to_string(x)); };
    REQUIRE_THROWS_WITH(f(12), "12");
    REQUIRE(f);
}

TEST_CASE("unique_function: one may hold another of a different signature", "[core][unique_function][unit]") {
    function inner = [](int x) { return x * 10; };
    unique_function<long(short)> outer = std::move(inner);
    REQUIRE(outer(short{2}) == 20);
}

#if !defined(NDEBUG)
TEST_CASE("unique_function: a call while empty, and a null pointer, are refused", "[core][unique_function][unit]") {
    auto const empty_call = test::in_child([] { function()(1); });
    REQUIRE(empty_call.aborted);
    REQUIRE_THAT(empty_call.errors, test::contains("requires call_ != nullptr"));
    int (*null)(int) = nullptr;
    auto const null_pointer = test::in_child([&] { function f(null); });
    REQUIRE(null_pointer.aborted);
}
#endif
