// 100 — an example without its licence.
int main() {}
