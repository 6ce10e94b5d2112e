// A program that prints three lines.
// Expected output: is what stands below
// Output varies: it shows a clock
// Expected output:
//   first  line; [a]
