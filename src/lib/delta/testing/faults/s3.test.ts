import { describeS3Faults } from './s3.contract.ts'
import { s3Faults } from './s3.fixture.ts'

/** Every second request meets one of them, and the second one is slow. */
describeS3Faults(['append'], (request) =>
  request === 1 ? ['slow'] : request % 2 === 0 ? [s3Faults[(request / 2) % s3Faults.length] ?? 'lost'] : [],
)
