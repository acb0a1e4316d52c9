import type { Member } from '../api/schemas.ts';
import { memberProgress, missingMembers } from './member-state.ts';

const member = (change: Partial<Member>): Member => ({
  site: 'north',
  status: 'training',
  reason: null,
  samples: null,
  updateDigest: null,
  progress: null,
  bytesReceived: 0,
  bytesTotal: null,
  trainingLoss: null,
  ...change,
});

describe('how far a member is', () => {
  test('its bytes count once there are any, whatever the last heartbeat says', () => {
    const uploading = {
      status: 'uploading',
      progress: 0.2,
      bytesReceived: 5000,
      bytesTotal: 10_000,
    };
    expect(memberProgress(member(uploading))).toEqual({ percent: 50, text: '5 kB of 10 kB' });
  });

  test('an upload that lacks one byte is not whole', () => {
    const almost = member({ bytesReceived: 9999, bytesTotal: 10_000 });
    expect(memberProgress(almost).percent).toBe(99);
  });

  test('training counts before', () => {
    expect(memberProgress(member({ progress: 0.456 }))).toEqual({
      percent: 46,
      text: 'trained 46 %',
    });
  });

  test('a member that has not answered has no bar', () => {
    const invited = memberProgress(member({ status: 'invited' }));
    expect(invited).toEqual({ percent: null, text: 'not answered yet' });
  });
});

test('everybody who has not reported is missing, with the state that says why', () => {
  const members = ['reported', 'lost', 'declined', 'late', 'rejected', 'withdrawn'].map((status) =>
    member({ status, site: status }),
  );
  expect(missingMembers(members).map(({ site }) => site)).toEqual([
    'lost',
    'declined',
    'late',
    'rejected',
    'withdrawn',
  ]);
});
