/** A state as text on a colour; the colour only repeats what the text says. */
type Tone = 'good' | 'busy' | 'sending' | 'care' | 'bad' | 'plain';

const tones: Readonly<Record<string, Tone>> = {
  active: 'good',
  finished: 'good',
  published: 'good',
  reported: 'good',
  live: 'good',
  holds: 'good',
  delivered: 'good',
  verified: 'good',
  promoted: 'good',
  nothing: 'good',
  newest: 'busy',
  'to do': 'bad',
  'to know': 'care',
  unlike: 'care',
  'not verified': 'bad',
  'does not hold': 'bad',
  running: 'busy',
  accepted: 'busy',
  training: 'busy',
  inviting: 'busy',
  uploading: 'sending',
  aggregating: 'sending',
  pending: 'care',
  paused: 'care',
  late: 'care',
  suspended: 'care',
  declined: 'care',
  withdrawn: 'care',
  rejected: 'bad',
  lost: 'bad',
  failed: 'bad',
  abandoned: 'bad',
  revoked: 'bad',
  'not live': 'bad',
};

/** A state as text on a colour. `isAnnounced` has a change of it read out. */
export function StatusBadge(props: { readonly status: string; readonly isAnnounced?: boolean }) {
  const { status, isAnnounced = false } = props;
  return (
    <span
      className="state"
      data-tone={tones[status] ?? 'plain'}
      role={isAnnounced ? 'status' : undefined}
    >
      {status}
    </span>
  );
}
