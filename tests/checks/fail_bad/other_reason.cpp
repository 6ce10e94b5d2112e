// Expected: a sentence that no compiler says
#if defined(SLUICE_FAIL)
static_assert(false, "another sentence");
#endif
