// A program that prints three lines.
// Expected output: is what stands below
// Test arguments: fail
// Expected output:
//   first  line; [a]
//
//     "third"
