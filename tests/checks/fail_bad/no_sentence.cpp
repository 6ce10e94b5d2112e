#if defined(SLUICE_FAIL)
static_assert(false, "some sentence");
#endif
