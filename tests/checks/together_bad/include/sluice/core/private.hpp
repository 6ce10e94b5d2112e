#pragma once
namespace sluice::detail {
class list {  // hides the concept from what comes after it
    int size_ = 0;
};
}  // namespace sluice::detail
