// Expected: broken in any case
static_assert(false, "broken in any case");
