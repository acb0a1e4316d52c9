/** A site's images: classes by folder, groups in one split, everything odd refused by name. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import type { Activation } from '#core/protocol';
import type { TaskConfig } from '../config/agent-config.ts';
import { findDataset, type Dataset } from './dataset.ts';
import { groupRule, splitOfGroup } from './groups.ts';

const classes = ['normal', 'pneumonia'];
let root: string;
let images: string;

async function put(path: string, content = path): Promise<void> {
  const file = join(images, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

const find = (
  changes: Partial<TaskConfig> = {},
  activation: Activation = 'softmax',
): Promise<Dataset> =>
  findDataset(
    { images, heldOutShare: 0.3, splitSeed: 'seed', ...changes },
    { classes, activation },
  );

const paths = (dataset: Dataset): string[] =>
  [...dataset.training, ...dataset.heldOut].map(({ path }) => path).sort();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'melo-data-'));
  images = join(root, 'images');
  for (let index = 0; index < 30; index++) {
    await put(`normal/IM-${String(index).padStart(4, '0')}-0001.jpeg`);
    await put(`pneumonia/person${index % 10}_bacteria_${index}.jpeg`);
  }
});

afterEach(() => rm(root, { recursive: true, force: true }));

describe('splits', () => {
  test('no patient stands in two splits, and both splits have images', async () => {
    const dataset = await find({ groupRegex: 'chest-xray' });
    expect(paths(dataset)).toHaveLength(60);
    const training = new Set(dataset.training.map(({ group }) => group));
    expect(dataset.heldOut.length).toBeGreaterThan(0);
    for (const { group } of dataset.heldOut) expect(training.has(group)).toBe(false);
    expect(new Set([...dataset.heldOut, ...dataset.training].map(({ group }) => group)).size).toBe(
      40,
    );
  });

  test('more images move no group to another split', async () => {
    const before = await find({ groupRegex: 'chest-xray' });
    for (let index = 100; index < 130; index++) await put(`normal/IM-${index}-0001.jpeg`);
    const after = await find({ groupRegex: 'chest-xray' });
    const held = new Set(after.heldOut.map(({ path }) => path));
    for (const { path } of before.heldOut) expect(held.has(path)).toBe(true);
    for (const { path } of before.training) expect(held.has(path)).toBe(false);
    expect(after.digest).not.toBe(before.digest);
  });

  test('without a rule the same picture under two names stands in one split', async () => {
    for (let index = 0; index < 20; index++) {
      await put(`normal/copy-a-${index}.png`, `same ${index}`);
      await put(`normal/copy-b-${index}.png`, `same ${index}`);
    }
    const dataset = await find();
    const held = new Set(dataset.heldOut.map(({ path }) => path));
    for (let index = 0; index < 20; index++)
      expect(held.has(`normal/copy-a-${index}.png`)).toBe(held.has(`normal/copy-b-${index}.png`));
  });

  test('the share of groups held out is the one asked for (2000 groups, within five standard deviations)', () => {
    let held = 0;
    for (let index = 0; index < 2000; index++)
      if (splitOfGroup(`person-${index}`, 'seed', 0.3) === 'held-out') held += 1;
    expect(Math.abs(held - 600)).toBeLessThan(5 * Math.sqrt(2000 * 0.3 * 0.7));
  });

  test('a split depends on group, seed and share alone', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.double({ min: 0.01, max: 0.9, noNaN: true }),
        (group, share) => {
          expect(splitOfGroup(group, 's', share)).toBe(splitOfGroup(group, 's', share));
        },
      ),
    );
  });

  test('the preset names patients and examinations', () => {
    const groupOf = groupRule('chest-xray');
    expect(groupOf('person23_virus_56.jpeg')).toBe('person-23');
    expect(groupOf('IM-0115-0001.jpeg')).toBe('examination-0115');
    expect(groupOf('NORMAL2-IM-0666-0001-0002.jpeg')).toBe('examination-0666');
    expect(groupOf('scan.png')).toBeNull();
    expect(() => groupRule('(')).toThrow('regular expression');
  });
});

describe('the manifest', () => {
  const manifest = (): string => join(root, 'manifest.csv');

  test('says group and split, and images it does not list are not used', async () => {
    await writeFile(
      manifest(),
      'path,group,split\nnormal/IM-0001-0001.jpeg,a,train\n"pneumonia/person1_bacteria_1.jpeg",b,train\npneumonia/person2_bacteria_2.jpeg,c,held-out\n',
    );
    const dataset = await find({ manifest: manifest() });
    expect(dataset.training.map(({ group }) => group)).toEqual(['a', 'b']);
    expect(dataset.heldOut.map(({ group }) => group)).toEqual(['c']);
    expect(dataset.ignored).toBe(57);
  });

  test.each([
    [
      'a group in two splits',
      'normal/IM-0001-0001.jpeg,a,train\nnormal/IM-0002-0001.jpeg,a,held-out\n',
      'DATASET_GROUP_LEAK',
    ],
    ['an image that is not there', 'normal/none.jpeg,a,train\n', 'DATASET_INVALID'],
    [
      'an image twice',
      'normal/IM-0001-0001.jpeg,a,train\nnormal/IM-0001-0001.jpeg,a,train\n',
      'DATASET_INVALID',
    ],
    ['another split', 'normal/IM-0001-0001.jpeg,a,test\n', 'DATASET_INVALID'],
    ['no training image of a class', 'normal/IM-0001-0001.jpeg,a,train\n', 'DATASET_CLASS_EMPTY'],
    ['a path that leads outside', '../../etc/passwd,a,train\n', 'DATASET_INVALID'],
  ])('%s is refused', async (_what, rows, code) => {
    await writeFile(manifest(), `path,group,split\n${rows}`);
    await expect(find({ manifest: manifest() })).rejects.toMatchObject({ code });
  });
});

describe('a manifest with a column for each class', () => {
  const manifest = (): string => join(root, 'findings.csv');
  const findFindings = async (text: string): Promise<Dataset> => {
    await writeFile(manifest(), text);
    return find({ manifest: manifest() }, 'sigmoid');
  };

  test('tells the findings of images in any folder: there, not there, not known', async () => {
    await put('scans/2026/a.png');
    await put('b.png');
    const { training, heldOut, ignored } = await findFindings(
      'path,pneumonia,note,group,split,normal\nscans/2026/a.png,1,x,g1,train,0\nb.png,,y,g2,held-out,1\n',
    );
    expect(training.map(({ path, label }) => [path, label])).toEqual([
      ['scans/2026/a.png', [0, 1]],
    ]);
    expect(heldOut.map(({ path, label }) => [path, label])).toEqual([['b.png', [1, -1]]]);
    expect(ignored).toBe(60);
  });

  test('a class of which nothing is known here is none that is missing', async () => {
    const head = 'path,group,split,normal,pneumonia\n';
    const row = (text: string) => `normal/IM-0001-0001.jpeg,a,train,${text}\n`;
    await expect(findFindings(`${head}${row('1,')}`)).resolves.toMatchObject({ ignored: 59 });
    const nothing = findFindings(`${head}${row(',')}`);
    await expect(nothing).rejects.toMatchObject({ code: 'DATASET_CLASS_EMPTY' });
  });

  test('another label is another dataset', async () => {
    const text = (label: string) =>
      `path,group,split,normal,pneumonia\nnormal/IM-0001-0001.jpeg,a,train,1,${label}\n`;
    const digests = [];
    for (const label of ['1', '0', '']) digests.push((await findFindings(text(label))).digest);
    expect(new Set(digests).size).toBe(3);
  });

  test.each([
    ['a column of one class alone', 'path,group,split,normal\n', ',1', 'none for pneumonia'],
    ['another value', 'path,group,split,normal,pneumonia\n', ',1,yes', 'row 1: column pneumonia'],
  ])('%s is refused', async (_what, head, values, words) => {
    const found = findFindings(`${head}normal/IM-0001-0001.jpeg,a,train${values}\n`);
    await expect(found).rejects.toMatchObject({ code: 'DATASET_INVALID' });
    await expect(found).rejects.toThrow(words);
  });

  test('is read by folders where every image has one class', async () => {
    await writeFile(
      manifest(),
      'path,group,split,normal,pneumonia\nnormal/IM-0001-0001.jpeg,a,train,0,1\npneumonia/person1_bacteria_1.jpeg,b,train,1,1\n',
    );
    const { training } = await find({ manifest: manifest() });
    expect(training.map(({ label }) => label)).toEqual([0, 1]);
  });

  test('and without such columns the folders say which one finding an image has', async () => {
    const { training } = await findFindings(
      'path,group,split\nnormal/IM-0001-0001.jpeg,a,train\npneumonia/person1_bacteria_1.jpeg,b,train\n',
    );
    expect(training.map(({ label }) => label)).toEqual([0, 1]);
  });
});

describe('folders', () => {
  test('one that belongs to no class is refused by name, with what to add', async () => {
    await put('tuberculosis/a.png');
    await expect(find()).rejects.toMatchObject({ code: 'DATASET_UNMAPPED_FOLDER' });
    await expect(find()).rejects.toThrow('tuberculosis: normal');
  });

  test('mapped folders may nest, and the nearest mapping counts', async () => {
    await put('archive/old/a.png');
    await put('archive/sick/b.png');
    const classFolders = {
      normal: 'normal',
      pneumonia: 'pneumonia',
      archive: 'normal',
      'archive/sick': 'pneumonia',
    };
    const dataset = await find({ classFolders });
    const byPath = new Map(
      [...dataset.training, ...dataset.heldOut].map((each) => [each.path, each]),
    );
    expect(byPath.get('archive/old/a.png')?.label).toBe(0);
    expect(byPath.get('archive/sick/b.png')?.label).toBe(1);
  });

  test('a mapping to a class that the task does not have is refused', async () => {
    await expect(find({ classFolders: { normal: 'healthy' } })).rejects.toThrow('healthy');
  });

  test('a class without training images is refused by name', async () => {
    await rm(join(images, 'pneumonia'), { recursive: true });
    await expect(find()).rejects.toMatchObject({ code: 'DATASET_CLASS_EMPTY' });
    await expect(find()).rejects.toThrow('pneumonia');
  });

  test('links that lead out of the folder, hidden files and other files are not used', async () => {
    await writeFile(join(root, 'secret.png'), 'secret');
    await symlink(join(root, 'secret.png'), join(images, 'normal', 'link.png'));
    await symlink(root, join(images, 'normal', 'outside'));
    await symlink(
      join(images, 'normal', 'IM-0001-0001.jpeg'),
      join(images, 'normal', 'inside.jpeg'),
    );
    await put('normal/.hidden.png');
    await put('normal/notes.txt');
    const dataset = await find();
    expect(paths(dataset)).toHaveLength(61);
    expect(paths(dataset)).toContain('normal/inside.jpeg');
    expect(dataset.ignored).toBe(3);
  });

  test('a folder that is not there is refused', async () => {
    await expect(find({ images: join(root, 'none') })).rejects.toMatchObject({
      code: 'DATASET_INVALID',
    });
  });
});
