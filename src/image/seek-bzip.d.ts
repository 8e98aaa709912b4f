/** What we use of a package that has no types of its own. */
declare module 'seek-bzip' {
  interface Input {
    /** The next byte, or -1. */
    readByte(): number;
    read(buffer: Uint8Array, offset: number, length: number): number;
    eof(): boolean;
  }
  interface Output {
    writeByte(byte: number): void;
  }
  const Bunzip: { decode(input: Input, output: Output, multistream: boolean): void };
  export = Bunzip;
}
