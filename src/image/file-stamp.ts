/** Stamps that tell whether a file may have changed. */
import { stat } from 'node:fs/promises';

/** Size and modification time of a file or folder as text; `-` where it does not exist. */
export async function fileStamp(path: string): Promise<string> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return `${size}@${mtimeNs}`;
  } catch {
    return '-';
  }
}
