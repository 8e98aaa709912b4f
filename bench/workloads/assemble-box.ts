/** A process that assembles a box for some seconds and prints one line of JSON: arguments are the store, seconds, bytes of a part. */
import { openCutoutBench } from './cutout.ts';

const [dataDir = '', seconds = '1', partBytes = '0'] = process.argv.slice(2);
const bench = await openCutoutBench(dataDir, Number(partBytes));
// Warm: compiled, and every tile in the cache.
await bench.assemble(0.5);
process.stdout.write(JSON.stringify(await bench.assemble(Number(seconds))));
await bench.close();
