int f();

