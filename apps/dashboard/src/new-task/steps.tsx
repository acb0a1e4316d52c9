/** The steps of a new task, each a few fields. */
import { Checkbox, NativeSelect, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { sites, tasks, useResource } from '../api/resources.ts';
import type { Site } from '../api/schemas.ts';
import { plural } from '../common/format.ts';
import { Empty } from '../common/panel.tsx';
import { HeartbeatText } from '../sites/heartbeat-text.tsx';
import { knownBackbones, problemsOf, type Draft } from './draft.ts';

/** What a step is given. */
export interface StepProps {
  readonly draft: Draft;
  readonly onChange: (change: Partial<Draft>) => void;
  /** Whether what is missing is said: once somebody wanted to go on. */
  readonly isChecked: boolean;
}

type TextField = {
  readonly [Name in keyof Draft]: Draft[Name] extends string ? Name : never;
}[keyof Draft];

function Field(
  props: StepProps & {
    readonly name: TextField;
    readonly label: string;
    readonly description?: string;
    readonly isFigure?: boolean;
  },
) {
  const { draft, onChange, isChecked, name, label, description, isFigure = false } = props;
  const problem = isChecked ? problemsOf(draft)[name] : undefined;
  return (
    <TextInput
      label={label}
      {...(description === undefined ? {} : { description })}
      {...(problem === undefined ? {} : { error: problem })}
      inputMode={isFigure ? 'decimal' : 'text'}
      maxLength={500}
      value={draft[name]}
      onChange={(event) => onChange({ [name]: event.currentTarget.value })}
    />
  );
}

/** Fingerprints that sites report, with how many have each, and those that tasks name. */
function useFingerprints(): readonly { readonly value: string; readonly label: string }[] {
  const siteList = useResource(sites).data?.sites ?? [];
  const taskList = useResource(tasks).data?.tasks ?? [];
  const names = new Map(
    taskList.map(({ definition: { backbone } }) => [backbone.fingerprint, backbone.name]),
  );
  const held = siteList.flatMap(({ capabilities }) => capabilities?.backbones ?? []);
  return [...new Set([...held, ...names.keys()])].map((fingerprint) => {
    const count = held.filter((each) => each === fingerprint).length;
    const name = names.get(fingerprint);
    const known = name === undefined ? '' : `, ${name}`;
    return {
      value: fingerprint,
      label: `${fingerprint.slice(0, 12)}… at ${plural(count, 'site')}${known}`,
    };
  });
}

/** Name, classes, backbone. */
export function WhatStep(props: StepProps) {
  const { draft, onChange } = props;
  const fingerprints = useFingerprints();
  return (
    <Stack gap="md">
      <Field
        {...props}
        name="task"
        label="Name"
        description="Small letters, digits and hyphens, e.g. chest-xray. It cannot be changed."
      />
      <Field
        {...props}
        name="title"
        label="Title"
        description="As people read it, e.g. Pneumonia on paediatric chest X-rays."
      />
      <Field
        {...props}
        name="classes"
        label="Classes"
        description="Between commas, in the order of the model's outputs, e.g. NORMAL, PNEUMONIA. Each site maps its folders to them."
      />
      <NativeSelect
        label="Shape of the backbone"
        data={knownBackbones.map(({ name, dimension, blocks, imageSize }) => ({
          value: name,
          label: `${name}: width ${dimension}, ${blocks} blocks, images of ${imageSize} px`,
        }))}
        value={draft.backbone}
        onChange={(event) => onChange({ backbone: event.currentTarget.value })}
      />
      {fingerprints.length > 0 && (
        <NativeSelect
          label="Which backbone the sites hold"
          data={[
            { value: '', label: 'choose one, or enter its fingerprint below' },
            ...fingerprints,
          ]}
          value={
            fingerprints.some(({ value }) => value === draft.fingerprint) ? draft.fingerprint : ''
          }
          onChange={(event) => onChange({ fingerprint: event.currentTarget.value })}
        />
      )}
      <Field
        {...props}
        name="fingerprint"
        label="Fingerprint of the backbone"
        description="64 hexadecimal digits; at a site, melo backbone show FOLDER prints it."
      />
    </Stack>
  );
}

function SiteChoice(props: StepProps & { readonly site: Site }) {
  const { draft, onChange, site } = props;
  const name = site.site;
  const isMember = draft.members.includes(name);
  const hasIt = site.capabilities?.backbones.includes(draft.fingerprint) === true;
  return (
    <Stack gap={2}>
      <Checkbox
        label={name}
        description={hasIt ? 'has the backbone' : 'is not known to have the backbone'}
        checked={isMember}
        onChange={() =>
          onChange({
            members: isMember
              ? draft.members.filter((each) => each !== name)
              : [...draft.members, name].sort(),
          })
        }
      />
      <Text size="sm" component="div" pl={32}>
        <HeartbeatText site={site} />
      </Text>
    </Stack>
  );
}

/** What each site must have, and who they are. */
export function SitesStep(props: StepProps) {
  const active = useResource(sites).data?.sites.filter(({ status }) => status === 'active') ?? [];
  const problem = props.isChecked ? problemsOf(props.draft).members : undefined;
  return (
    <Stack gap="md">
      <Field
        {...props}
        isFigure
        name="samplesMinimum"
        label="Training images at least (may be left out)"
        description="A site with fewer takes no part."
      />
      <fieldset className="choice-list">
        <legend>Members</legend>
        {active.length === 0 ? (
          <Empty>No site is approved yet: invite one on the page Sites first.</Empty>
        ) : (
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
            {active.map((site) => (
              <SiteChoice key={site.site} {...props} site={site} />
            ))}
          </SimpleGrid>
        )}
        {problem !== undefined && (
          <Text size="sm" c="var(--melo-bad)" role="alert">
            {problem}
          </Text>
        )}
      </fieldset>
    </Stack>
  );
}

const methods = [
  { value: 'fedavg', label: 'fedavg: the weighted mean of A and of B' },
  { value: 'alternating', label: 'alternating: A and B in turn, so that the mean is exact' },
  { value: 'ffa', label: 'ffa: A stays as it is, B alone is trained' },
  { value: 'ridge', label: 'ridge: the mean of the products, brought back to the rank' },
  { value: 'median', label: 'median: number by number; one odd site changes little' },
  { value: 'trimmed-mean', label: 'trimmed-mean: without the outermost tenth at either end' },
] as const;

/** How it is trained and put together. */
export function HowStep(props: StepProps) {
  const { draft, onChange } = props;
  return (
    <Stack gap="md">
      <Text size="sm">
        Privacy mode: <b>clear</b>. The coordinator opens every update (never an image) to average
        them; only members and the coordinator see it.
      </Text>
      <NativeSelect
        label="What is trained"
        data={[
          { value: 'all', label: 'the adapter and the head' },
          { value: 'head', label: 'the head alone (a linear probe)' },
        ]}
        value={draft.trained}
        onChange={(event) =>
          onChange({ trained: event.currentTarget.value === 'head' ? 'head' : 'all' })
        }
      />
      <NativeSelect
        label="How the sites' updates are put together"
        data={methods}
        value={draft.method}
        onChange={({ currentTarget: { value } }) => {
          const chosen = methods.find((each) => each.value === value);
          if (chosen !== undefined) onChange({ method: chosen.value });
        }}
      />
      <NativeSelect
        label="How training images are changed at random"
        data={[
          { value: 'none', label: 'not at all' },
          {
            value: 'sided',
            label: 'turned, cropped, lighter or darker; never mirrored: left and right matter',
          },
          { value: 'mirrored', label: 'the same, and mirrored: left and right do not matter' },
        ]}
        value={draft.augmentation}
        onChange={({ currentTarget: { value } }) =>
          onChange({ augmentation: value === 'sided' || value === 'mirrored' ? value : 'none' })
        }
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
        <Field
          {...props}
          isFigure
          name="rank"
          label="Rank of the adapter"
          description="4 is the usual one."
        />
        <Field {...props} isFigure name="learningRate" label="Learning rate" />
        <Field {...props} isFigure name="epochs" label="Passes over its images in a round" />
        <Field {...props} isFigure name="batchSize" label="Images in a batch" />
      </SimpleGrid>
      <SiteChoices draft={draft} onChange={onChange} />
    </Stack>
  );
}

/** What each site does besides training. */
function SiteChoices({ draft, onChange }: Pick<StepProps, 'draft' | 'onChange'>) {
  return (
    <>
      <Checkbox
        label="Sites see the classes in different shares"
        description="Training makes up for each site's own shares (class-prior correction), so that its head does not favour what it sees most. Needs agents of release 0.2.0 or newer."
        checked={draft.classPriorCorrection}
        onChange={(event) => onChange({ classPriorCorrection: event.currentTarget.checked })}
      />
      <Checkbox
        label="Each site also trains alone, once"
        description="So that it is told whether the federation helps it."
        checked={draft.localBaseline}
        onChange={(event) => onChange({ localBaseline: event.currentTarget.checked })}
      />
      <Checkbox
        label="Sites that allow it let that adapter out, and every site evaluates it"
        description="Off unless it is needed: each site decides by its own policy, and the others get its adapter."
        checked={draft.localBaseline && draft.crossEvaluation}
        disabled={!draft.localBaseline}
        onChange={(event) => onChange({ crossEvaluation: event.currentTarget.checked })}
      />
    </>
  );
}

/** How many rounds, how long each may take, and with how many sites it counts. */
export function RoundsStep(props: StepProps) {
  return (
    <Stack gap="md">
      <Field {...props} isFigure name="rounds" label="Rounds" />
      <Field
        {...props}
        isFigure
        name="deadlineHours"
        label="Hours until a round's deadline"
        description="A round ends sooner when every member has reported; who has not by the deadline is left out, and the record says so."
      />
      <Field
        {...props}
        isFigure
        name="quorumSites"
        label="Sites that must have reported"
        description="With fewer the round is abandoned and tried again."
      />
    </Stack>
  );
}
