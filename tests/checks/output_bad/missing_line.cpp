// A program that prints three lines.
// Expected output: is what stands below
// Expected output:
//   first  line; [a]
//
