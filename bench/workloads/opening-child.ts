/** Opens the log of a store once, in a process that has done nothing else, and tells how long that took. Argument: the store's folder. */
import { openOnce } from './opening.ts';

const [dataDir = ''] = process.argv.slice(2);
const opened = await openOnce(dataDir);
process.send?.(opened, () => process.exit(0));
