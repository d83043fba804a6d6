// AssemblyScript's names of the numbers in abi.ts, which both languages compile.
type i32 = number;
type usize = number;
