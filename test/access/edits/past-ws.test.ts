import { pastContract } from '../../contract/past-contract.ts';

pastContract('ws');
