/** A process that puts for some seconds and prints one line of JSON: arguments are bytes of an entry, puts under way, seconds. */
import { measureRawLmdb } from './raw-lmdb.ts';

const [bytes, underWay, seconds] = process.argv.slice(2).map(Number);
process.stdout.write(JSON.stringify(await measureRawLmdb(bytes ?? 0, underWay ?? 1, seconds ?? 1)));
