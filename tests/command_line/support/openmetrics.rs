//! A page of OpenMetrics 1.0, read as strictly as the specification has it. What Prometheus lets pass is a fault here too.

use std::collections::{BTreeMap, BTreeSet};

/// A metric family and what it says.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    unit: Option<String>,
    pub(crate) help: Option<String>,
    pub(crate) samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// With its suffix.
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The families by name, or the first fault and its line.
pub(crate) fn parse(page: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = page.strip_suffix("# EOF\n").ok_or("it does not end with # EOF and one line break")?;
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the line before # EOF does not end".into());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for (number, line) in body.split_terminator('\n').enumerate() {
        read(line, &mut current, &mut families).map_err(|fault| format!("line {}: {fault}: {line:?}", number + 1))?;
    }
    for (name, family) in &families {
        whole(name, family).map_err(|fault| format!("{name}: {fault}"))?;
    }
    let all: Vec<&str> = families.values().flat_map(|family| &family.samples).map(|sample| &*sample.name).collect();
    match families.iter().find(|(name, family)| family.samples.is_empty() && all.contains(&name.as_str())) {
        Some((name, _)) => Err(format!("{name} is a family and another's sample")),
        None => Ok(families),
    }
}

fn read(line: &str, current: &mut String, families: &mut BTreeMap<String, Family>) -> Result<(), String> {
    if let Some(meta) = line.strip_prefix("# ") {
        let mut parts = meta.splitn(3, ' ');
        let (Some(what), Some(name), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("metadata without a value".into());
        };
        if *current != name {
            if families.contains_key(name) {
                return Err(format!("{name} comes twice"));
            }
            is_name(name, true)?;
            *current = name.to_owned();
        }
        let family = families.entry(name.to_owned()).or_default();
        if !family.samples.is_empty() {
            return Err("metadata after samples".into());
        }
        let earlier = match what {
            "TYPE" => !std::mem::replace(&mut family.kind, value.to_owned()).is_empty(),
            "UNIT" => family.unit.replace(value.to_owned()).is_some(),
            "HELP" => {
                unescaped(value)?;
                family.help.replace(value.to_owned()).is_some()
            }
            _ => return Err("neither TYPE, UNIT nor HELP".into()),
        };
        return if earlier { Err("twice".into()) } else { Ok(()) };
    }
    let sample = sample(line)?;
    let family = families.get_mut(current).ok_or("a sample before any family")?;
    let suffix = sample.name.strip_prefix(current.as_str()).ok_or("a sample of another family")?;
    if !suffixes(&family.kind)?.contains(&suffix) {
        return Err(format!("{suffix:?} is no suffix of a {}", family.kind));
    }
    if family.samples.iter().any(|other| other.name == sample.name && other.labels == sample.labels) {
        return Err("the same sample twice".into());
    }
    family.samples.push(sample);
    Ok(())
}

fn suffixes(kind: &str) -> Result<&'static [&'static str], String> {
    Ok(match kind {
        "counter" => &["_total", "_created"],
        "gauge" | "unknown" => &[""],
        "histogram" => &["_bucket", "_sum", "_count", "_created"],
        "info" => &["_info"],
        _ => return Err(format!("a family of type {kind:?}")),
    })
}

/// `name{label="value",...} number`; we write neither times nor exemplars.
fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("neither labels nor a value")?;
    let (name, mut rest) = line.split_at(end);
    is_name(name, true)?;
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            if !labels.is_empty() {
                rest = rest.strip_prefix(',').ok_or("labels without a comma between")?;
            }
            let (label, value) = rest.split_once("=\"").ok_or("a label without a quoted value")?;
            is_name(label, false)?;
            let end = closing_quote(value).ok_or("a label's value does not end")?;
            if labels.insert(label.to_owned(), unescaped(&value[..end])?).is_some() {
                return Err(format!("the label {label} twice"));
            }
            rest = &value[end + 1..];
        }
        rest = &rest[1..];
    }
    let text = rest.strip_prefix(' ').ok_or("no single space before the value")?;
    Ok(Sample { name: name.to_owned(), labels, value: number(text)? })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end.then_some(at)
    })
}

fn unescaped(text: &str) -> Result<String, String> {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        out.push(match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => '\n',
            ('\\', Some(c @ ('\\' | '"'))) => c,
            ('\\', _) => return Err("an escape that is none".into()),
            (c, _) => c,
        });
    }
    Ok(out)
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        // What Rust reads beyond that, such as "infinity", is no number here.
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => {
            text.parse().map_err(|_| format!("{text:?} is no number"))
        }
        _ => Err(format!("{text:?} is no number")),
    }
}

fn is_name(name: &str, colons: bool) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let first_good = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
    if first_good && name.chars().all(good) { Ok(()) } else { Err(format!("{name:?} is no name")) }
}

fn whole(name: &str, family: &Family) -> Result<(), String> {
    if family.kind.is_empty() || family.help.is_none() {
        return Err("no TYPE or no HELP".into());
    }
    if let Some(unit) = &family.unit
        && !name.ends_with(&format!("_{unit}"))
    {
        return Err(format!("its name does not end with its unit, {unit}"));
    }
    for Sample { name, labels, value } in &family.samples {
        let fits = match family.kind.as_str() {
            "counter" => value.is_finite() && *value >= 0.0,
            "info" => *value == 1.0,
            _ => true,
        };
        if !fits || (labels.contains_key("le") != name.ends_with("_bucket")) {
            return Err(format!("{name} {labels:?} {value}"));
        }
    }
    if family.kind == "histogram" { histograms(family) } else { Ok(()) }
}

/// Each one's buckets rise to `+Inf`, which holds all that is counted.
fn histograms(family: &Family) -> Result<(), String> {
    let without_le = |sample: &Sample| {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        labels
    };
    let all: BTreeSet<_> = family.samples.iter().map(without_le).collect();
    for labels in all {
        let of = |suffix: &str| {
            let found = family.samples.iter().filter(|one| one.name.ends_with(suffix) && without_le(one) == labels);
            found.cloned().collect::<Vec<_>>()
        };
        let (count, sum, buckets) = (of("_count"), of("_sum"), of("_bucket"));
        let ([count], [sum]) = (&count[..], &sum[..]) else { return Err(format!("{labels:?}: no count or no sum")) };
        let mut before = (f64::NEG_INFINITY, 0.0);
        for Sample { labels, value, .. } in &buckets {
            let bound = number(&labels["le"])?;
            if bound <= before.0 || *value < before.1 {
                return Err(format!("{labels:?}: buckets that do not rise"));
            }
            before = (bound, *value);
        }
        if before != (f64::INFINITY, count.value) || !sum.value.is_finite() || sum.value < 0.0 {
            return Err(format!("{labels:?}: it ends with {before:?}, and the count is {}", count.value));
        }
    }
    Ok(())
}

#[test]
fn what_is_no_open_metrics_is_told_from_what_is() {
    let histogram = "# HELP h x.\n# TYPE h histogram\nh_sum 1.0\nh_count 2\nh_bucket{le=\"1.0\"} 1\n";
    let counter = "# HELP c x.\n# TYPE c counter\n";
    for (good, body) in [
        (true, String::new()),
        (true, format!("{histogram}h_bucket{{le=\"+Inf\"}} 2\n")),
        (false, histogram.to_owned()),
        (false, format!("{histogram}h_bucket{{le=\"1.7976931348623157e308\"}} 2\n")),
        (false, format!("{histogram}h_bucket{{le=\"+Inf\"}} 3\n")),
        (false, format!("{histogram}h_bucket{{le=\"0.5\"}} 1\nh_bucket{{le=\"+Inf\"}} 2\n")),
        (true, format!("{counter}c_total{{a=\"\\\"\\n\",b=\"\"}} 1\n")),
        (false, format!("{counter}c 1\n")),
        (false, format!("{counter}c_total -1\n")),
        (false, format!("{counter}c_total 1\nc_total 1\n")),
        (false, format!("{counter}c_total{{a=\"1\"b=\"\"}} 1\n")),
        (false, format!("{counter}c_total{{a=\"\\x\"}} 1\n")),
        (false, format!("{counter}c_total 1\n# UNIT c seconds\n")),
        (false, format!("{counter}# UNIT c seconds\nc_total 1\n")),
        (false, format!("{counter}{counter}")),
        (false, "# HELP b x.\n# TYPE b info\nb_info{v=\"1\"} 2\n".to_owned()),
        (false, "a 1\n".to_owned()),
    ] {
        let found = parse(&format!("{body}# EOF\n"));
        assert_eq!(found.is_ok(), good, "{body}: {found:?}");
    }
    assert!(parse("").is_err() && parse("# EOF\n# EOF\n").is_err() && parse("# EOF").is_err());
}
