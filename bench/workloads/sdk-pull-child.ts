/** Pulls 1 GiB and tells how that went. Arguments: who pulls, the server's port. */
import { type PullerKind, pull } from './sdk-pull.ts';

const [kind = 'sdk', port = '0'] = process.argv.slice(2);
const pulled = await pull(kind as PullerKind, Number(port));
process.send?.(pulled, () => process.exit(0));
