import { lagContract } from '../../contract/lag-contract.ts';

lagContract('ws');
