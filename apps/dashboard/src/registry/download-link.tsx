/** Links that save the adapter of a version, in each format that there is. */
import { Button } from '@mantine/core';
import { targetOf, type QueryOf } from '#api';
import { useMay } from '../session/access.ts';

const adapterPath = '/v1/tasks/{task}/versions/{version}/adapter';

/** A link that saves the adapter file of a version, for whoever may have it. */
export function DownloadLink(props: {
  readonly task: string;
  readonly version: number;
  /** What the link says, and what it is called, which has to begin with that. */
  readonly label?: string;
  readonly name?: string;
  /** Another format than that of the registry. */
  readonly query?: QueryOf<'GET', typeof adapterPath>;
}) {
  const {
    task,
    version,
    query = {},
    label = 'Download',
    name = `Download version ${version} of ${task}`,
  } = props;
  const mayDownload = useMay('train');
  if (!mayDownload) return null;
  return (
    <Button
      component="a"
      size="compact-sm"
      variant="default"
      href={targetOf(adapterPath, { path: { task, version }, query })}
      download
      aria-label={name}
    >
      {label}
    </Button>
  );
}

/** The same version for other tools. */
const otherFormats = [
  {
    label: 'For PEFT',
    what: 'a tar of the two files of Hugging Face PEFT',
    query: { format: 'peft' },
  },
  {
    label: 'For MeLo code, without head bias',
    what: "the official code's format, which cannot hold the bias of the head",
    query: { format: 'official', dropHeadBias: 'true' },
  },
] as const;

/** Links that save a version in each format. */
export function DownloadLinks({
  task,
  version,
}: {
  readonly task: string;
  readonly version: number;
}) {
  return (
    <>
      <DownloadLink task={task} version={version} />
      {otherFormats.map(({ label, what, query }) => (
        <DownloadLink
          key={label}
          task={task}
          version={version}
          label={label}
          name={`${label}: version ${version} of ${task}, ${what}`}
          query={query}
        />
      ))}
    </>
  );
}
