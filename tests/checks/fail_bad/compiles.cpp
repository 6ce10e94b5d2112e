// Expected: nothing, for this compiles
int main() {}
