/** A file that is read at positions, by as many readers at once as like. */
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';

const readAt = promisify(read);

/** An open file. */
export class PositionalFile {
  /** Size in bytes when the file was opened. */
  readonly size: number;
  #descriptor: number | undefined;

  /** Opens a file for reading. @throws the system's error. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  /** Reads up to `length` bytes, fewer at the file's end; for small reads that follow each other, where a promise costs more than the read. */
  readNow(position: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - position)));
    return bytes.length === 0 ? bytes : bytes.subarray(0, readSync(this.#open(), bytes, 0, bytes.length, position));
  }

  /** Reads up to `length` bytes, fewer at the file's end. @returns owned bytes in a buffer of their own. */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - position)));
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await readAt(this.#open(), bytes, done, bytes.length - done, position + done);
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  }

  /** Closes the file; again does nothing. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error('the file is closed');
    return this.#descriptor;
  }
}
