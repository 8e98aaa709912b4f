import { webContract } from '../../contract/web-contract.ts';

webContract('ws');
