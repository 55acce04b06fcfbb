import { describeS3Faults } from './s3.contract.ts'
import { s3Faults } from './s3.fixture.ts'

describeS3Faults(['append'], (request) => s3Faults.slice(request % s3Faults.length).slice(0, 1))
