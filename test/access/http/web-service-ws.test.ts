import { webServiceContract } from '../../contract/web-service-contract.ts';

webServiceContract('ws');
