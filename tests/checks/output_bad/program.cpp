// Prints three lines, or ends with 3 if it is given an argument.
#include <cstdio>
int main(int argc, char**) {
    std::printf("first  line; [a]\n\n  \"third\"\n");
    return argc > 1 ? 3 : 0;
}
