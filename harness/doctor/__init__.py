"""What a suite needs beside this repository: packages, weights, models; whether it is there, and how to get it."""
