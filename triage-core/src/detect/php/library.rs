//! Functions of PHP that have a meaning of their own for the walk: sources, callbacks, definitions.

use super::builtin;
use super::function_table;
use super::interp::{At, Interp, OWN_PATH};
use super::ir::{Arg, Id};
use super::operator::to_text;
use super::rule;
use super::value::{Arr, K, Taint, Val, flag, from, made};
use super::variable::element;
use crate::model::Severity;
use std::rc::Rc;

impl Interp<'_> {
    /// Functions that have a meaning of their own here.
    #[allow(clippy::too_many_lines)]
    pub(super) fn modelled(
        &mut self,
        here: (At<'_>, Id),
        name: &[u8],
        values: &mut Vec<Val>,
        args: &[Arg],
    ) -> Option<Val> {
        let (at, id) = here;
        let first = values.first().cloned().unwrap_or_default();
        let second = values.get(1).cloned().unwrap_or_default();
        Some(match name {
            b"define" => {
                let name = first.bytes()?;
                let sym = self.names.intern(&name);
                self.consts.insert(sym, second);
                K::Bool(true).into()
            }
            b"constant" => {
                let name = first.bytes()?;
                let sym = self.names.intern(&name);
                self.consts.get(&sym).cloned()?
            }
            b"call_user_func" | b"register_shutdown_function" | b"register_tick_function" | b"forward_static_call" => {
                self.dangerous_callback(here, name, &first);
                let rest = values.drain(1.min(values.len())..).collect();
                self.call_value(here, &first, rest, &[])
            }
            b"call_user_func_array" | b"forward_static_call_array" => {
                self.dangerous_callback(here, name, &first);
                let rest = spread(&second);
                self.call_value(here, &first, rest, &[])
            }
            b"func_get_args" => Val::arr(Arr::list(self.frames.last().map(|frame| frame.args.clone())?)),
            b"func_get_arg" => {
                let at = usize::try_from(first.int()?).ok()?;
                self.frames.last()?.args.get(at).cloned()?
            }
            b"func_num_args" => K::Int(i64::try_from(self.frames.last()?.args.len()).ok()?).into(),
            b"array_map"
            | b"array_filter"
            | b"array_walk"
            | b"array_walk_recursive"
            | b"usort"
            | b"uasort"
            | b"uksort"
            | b"array_reduce"
            | b"iterator_apply"
            | b"array_udiff"
            | b"array_uintersect"
            | b"array_diff_ukey"
            | b"array_intersect_ukey"
            | b"array_udiff_assoc"
            | b"array_udiff_uassoc"
            | b"array_uintersect_assoc"
            | b"array_uintersect_uassoc"
            | b"array_diff_uassoc"
            | b"array_intersect_uassoc"
            | b"preg_replace_callback"
            | b"mb_ereg_replace_callback"
            | b"array_find" => self.with_callback(here, name, values)?,
            b"preg_replace_callback_array" => {
                if let K::Arr(pairs) = &first.k {
                    for (_, function) in &pairs.items {
                        self.call_value(here, function, vec![second.clone()], &[]);
                    }
                }
                Val::tainted(second.taint())
            }
            b"ob_start"
            | b"set_error_handler"
            | b"set_exception_handler"
            | b"header_register_callback"
            | b"spl_autoload_register"
            | b"session_set_save_handler" => {
                for value in values.iter() {
                    self.handler(here, name, value);
                }
                if name == b"ob_start" && matches!(first.k, K::Closure(_)) && self.output.len() < 8 {
                    self.output.push(first);
                }
                Val::unknown()
            }
            b"filter_var" | b"filter_var_array" | b"filter_input" | b"filter_input_array" => {
                self.filter(here, name, values)
            }
            b"create_function" => self.create_function(here, &first, &second),
            b"assert" => {
                self.run_code(here, &first, "assert");
                Val::unknown()
            }
            b"preg_replace" | b"preg_filter" | b"mb_ereg_replace" | b"mb_eregi_replace" => {
                self.replacement(here, name, values);
                return None;
            }
            b"extract" | b"import_request_variables" | b"parse_str" | b"mb_parse_str" => {
                let taint = if name == b"import_request_variables" {
                    let place = self.place(at, id);
                    Some(Taint::new(from::REQUEST, 0, place, "import_request_variables()"))
                } else {
                    first.taint()
                };
                if let (Some(arg), b"parse_str" | b"mb_parse_str") = (args.get(1), name) {
                    let value = Val::tainted(taint).with_flag(flag::WHOLE);
                    self.assign(at, arg.value, value);
                } else if let K::Arr(arr) = &first.k {
                    for (key, value) in &arr.items {
                        let sym = self.names.intern(&builtin::key_text(key));
                        self.set_var(sym, value.clone());
                    }
                } else if let Some(mut taint) = taint.filter(|taint| taint.from & from::ORDERS != 0) {
                    taint.flags &= !flag::WHOLE;
                    let place = self.place(at, id);
                    self.imported = Some(taint.then(place, "becomes variables"));
                }
                Val::unknown()
            }
            b"compact" => {
                let mut arr = Arr::default();
                for value in values.iter() {
                    let text = value.bytes()?;
                    let sym = self.names.intern(&text);
                    let place = self.place(at, id);
                    arr.set(value.key()?, self.var(sym, place));
                }
                Val::arr(arr)
            }
            b"get_defined_vars" => {
                let place = self.place(at, id);
                self.profile.takes_orders = true;
                Val::tainted(Some(Taint::new(from::REQUEST, flag::WHOLE, place, "get_defined_vars()")))
            }
            b"getallheaders" | b"apache_request_headers" | b"get_raw_post_data" => {
                let place = self.place(at, id);
                self.profile.takes_orders = true;
                Val::tainted(Some(Taint::new(from::REQUEST, flag::WHOLE, place, "request headers")))
            }
            b"session_id" | b"session_name" => {
                let place = self.place(at, id);
                Val::tainted(Some(Taint::new(from::REQUEST, 0, place, "session_id()")))
            }
            b"getenv" => {
                let text = first.bytes()?;
                let place = self.place(at, id);
                (text.starts_with(b"HTTP_") || text.as_slice() == b"QUERY_STRING")
                    .then(|| Val::tainted(Some(Taint::new(from::REQUEST, 0, place, "getenv()"))))?
            }
            b"file_get_contents"
            | b"file"
            | b"readfile"
            | b"fopen"
            | b"gzfile"
            | b"gzopen"
            | b"show_source"
            | b"highlight_file"
            | b"fpassthru"
            | b"bzopen"
            | b"stream_get_contents"
            | b"fgets"
            | b"fread"
            | b"fgetc"
            | b"fgetss"
            | b"gzread"
            | b"gzgets"
            | b"simplexml_load_file"
            | b"php_strip_whitespace"
            | b"parse_ini_file"
            | b"url_get_contents" => self.read(here, name, &first),
            b"curl_exec"
            | b"curl_multi_getcontent"
            | b"socket_read"
            | b"socket_recv"
            | b"stream_socket_recvfrom"
            | b"ftp_get"
            | b"gethostbyname"
            | b"dns_get_record"
            | b"dns_get_mx"
            | b"get_headers" => {
                let place = self.place(at, id);
                let what = format!("{}()", String::from_utf8_lossy(name));
                Val::tainted(Some(Taint::new(from::REMOTE, 0, place, &what)))
            }
            b"fsockopen" | b"pfsockopen" | b"stream_socket_client" => {
                if first.head().to_ascii_lowercase().starts_with(b"udp://")
                    && let Some(taint) = first.taint().filter(|taint| {
                        taint.from & from::ANY_ORDERS != 0 && taint.flags & (flag::CHECKED | flag::FILTERED) == 0
                    })
                {
                    self.contextual(here, &rule::FLOOD, (Severity::High, 65), &taint, "sends datagrams to it");
                }
                K::File(Rc::new(b"tcp://".to_vec())).into()
            }
            // A file of its own each time; one name is enough to know it again.
            b"tempnam" if first.t.is_none() && second.t.is_none() => Val::str(&b"\x02/tempnam"[..]),
            b"ob_end_flush" | b"ob_get_flush" | b"ob_flush" | b"ob_end_clean" => return None,
            b"exif_read_data"
            | b"read_exif_data"
            | b"exif_thumbnail"
            | b"iptcparse"
            | b"getimagesize"
            | b"imagecreatefromjpeg" => {
                let place = self.place(at, id);
                Val::tainted(Some(Taint::new(from::OWN, 0, place, "data of a picture")))
            }
            _ if is_fetch(name) => {
                let place = self.place(at, id);
                Val::tainted(Some(Taint::new(from::DATABASE, 0, place, "database")))
            }
            b"preg_match" | b"preg_match_all" | b"ereg" | b"eregi" | b"sscanf" => {
                let subject = if name == b"sscanf" { &first } else { &second };
                if let (Some(arg), Some(taint)) = (args.get(2), subject.taint()) {
                    let place = self.place(at, id);
                    let what = format!("{}()", String::from_utf8_lossy(name));
                    let value = Val { k: K::Unknown, t: Some(taint.then(place, &what)), made: subject.made };
                    // A pattern that says what may be in it is a check.
                    let value = if is_filter(Some(&first)) { value.with_flag(flag::FILTERED) } else { value };
                    self.assign(at, arg.value, value);
                }
                Val::unknown()
            }
            b"exec" if args.len() > 1 => {
                if let Some(arg) = args.get(1) {
                    self.assign(at, arg.value, Val::unknown());
                }
                return None;
            }
            b"array_push" | b"array_unshift" => {
                let taint =
                    values.iter().skip(1).fold(None, |all, value| Taint::join(all.as_ref(), value.taint().as_ref()));
                let rest: Vec<Val> = values.drain(1.min(values.len())..).collect();
                // Whoever else holds the array makes each addition a copy of it.
                values.clear();
                drop(first);
                let arg = args.first()?;
                let front = name == b"array_unshift";
                let mut rest = Some(rest);
                self.update(at, arg.value, &mut |_, mut old| {
                    let rest = rest.take().unwrap_or_default();
                    match &mut old.k {
                        K::Arr(arr) if !front => rest.into_iter().for_each(|value| Rc::make_mut(arr).push(value)),
                        K::Arr(arr) => {
                            let old: Vec<Val> = arr.items.iter().map(|(_, value)| value.clone()).collect();
                            *arr = Rc::new(Arr::list(rest.into_iter().chain(old)));
                        }
                        K::Null => old.k = K::Arr(Rc::new(Arr::list(rest))),
                        _ => old.t = Taint::join(old.t.as_ref(), taint.as_ref()),
                    }
                    old
                });
                Val::unknown()
            }
            b"array_pop" | b"array_shift" => {
                let value = match &first.k {
                    K::Arr(arr) if first.is_known() => {
                        let item = if name == b"array_pop" { arr.items.last() } else { arr.items.first() };
                        item.map(|(_, value)| value.clone())?
                    }
                    _ => return None,
                };
                let front = name == b"array_shift";
                if let Some(arg) = args.first() {
                    self.update(at, arg.value, &mut |_, mut old| {
                        if let K::Arr(arr) = &mut old.k {
                            let mut items: Vec<Val> = arr.items.iter().map(|(_, value)| value.clone()).collect();
                            if front {
                                items.drain(..1.min(items.len()));
                            } else {
                                items.pop();
                            }
                            *arr = Rc::new(Arr::list(items));
                        }
                        old
                    });
                }
                value
            }
            b"settype" | b"sort" | b"rsort" | b"shuffle" | b"str_shuffle" | b"ksort" | b"asort" => Val::unknown(),
            b"strval" if first.t.is_some() => to_text(first),
            _ => return None,
        })
    }

    /// What a file or stream gives.
    pub(super) fn read(&mut self, (at, id): (At<'_>, Id), name: &[u8], path: &Val) -> Val {
        let place = self.place(at, id);
        let opens = matches!(name, b"fopen" | b"gzopen" | b"bzopen");
        let text = match &path.k {
            K::File(text) => Rc::clone(text),
            _ => Rc::new(path.head().to_vec()),
        };
        let lower = text.to_ascii_lowercase();
        let own = text.as_slice() == OWN_PATH;
        let what = format!(
            "{}({})",
            String::from_utf8_lossy(name),
            if own { "own file".to_owned() } else { super::interp::show(&text) }
        );
        if opens {
            let taint = path.t.clone();
            let text = match &path.k {
                K::Partial(head, tail) if !tail.is_empty() => {
                    Rc::new([head.as_slice(), b"*", tail.as_slice()].concat())
                }
                _ => text,
            };
            return Val { k: K::File(text), t: taint, made: 0 };
        }
        if own && !matches!(path.k, K::File(_)) {
            let content = Rc::clone(&self.own_text);
            return match name {
                b"file" => {
                    let lines = content.split_inclusive(|&b| b == b'\n').take(100_000);
                    let mut value = Val::arr(Arr::list(lines.map(|line| Val::str(line).with_made(made::CHARS))));
                    value.made = made::CHARS;
                    value
                }
                b"file_get_contents" => Val { k: K::Str(content), t: None, made: made::CHARS },
                _ => Val::unknown(),
            };
        }
        let from = if lower.starts_with(b"php://input") {
            self.profile.takes_orders = true;
            from::REQUEST
        } else if own {
            from::OWN
        } else if [&b"http://"[..], b"https://", b"ftp://", b"tcp://", b"ssl://", b"udp://"]
            .iter()
            .any(|scheme| lower.starts_with(scheme))
        {
            from::REMOTE
        } else if lower.starts_with(b"data:") {
            return function_table::data_url(&text)
                .map_or_else(Val::unknown, |text| Val::str(text).with_made(made::DECODED));
        } else if path.t.as_ref().is_some_and(|taint| taint.from & from::UPLOAD != 0) {
            from::UPLOAD
        } else if path.head().is_empty()
            && path.is_ordered()
            && path.t.as_ref().is_some_and(|taint| taint.flags & (flag::INNER | flag::CHECKED) == 0)
        {
            // The request names a file, or an address.
            from::REMOTE
        } else if function_table::is_odd_data(path.tail()) && path.is_known() {
            from::OWN
        } else if name == b"parse_ini_file" {
            // Settings of the program's own.
            return Val::unknown();
        } else {
            from::FILE
        };
        Val::tainted(Some(Taint::new(from, 0, place, &what)))
    }

    /// Functions that call another one for each element.
    pub(super) fn with_callback(&mut self, here: (At<'_>, Id), name: &[u8], values: &[Val]) -> Option<Val> {
        let first = values.first().cloned().unwrap_or_default();
        let second = values.get(1).cloned().unwrap_or_default();
        let any = Val::unknown();
        let (function, passed) = match name {
            b"array_map" if matches!(first.k, K::Null) => {
                let all =
                    values.iter().skip(1).fold(None, |all, value| Taint::join(all.as_ref(), value.taint().as_ref()));
                return Some(Val::tainted(all));
            }
            b"array_map" => {
                if let (K::Arr(arr), true, 2) = (&second.k, second.is_known(), values.len())
                    && arr.items.len() <= 20_000
                    && first.is_known()
                    && !matches!(first.k, K::Null)
                {
                    self.dangerous_callback(here, name, &first);
                    let mut out = Arr::default();
                    for (key, value) in &arr.items {
                        let made = self.call_value(here, &first, vec![value.clone()], &[]);
                        out.set(key.clone(), made);
                        if self.fuel == 0 {
                            break;
                        }
                    }
                    return Some(Val::arr(out));
                }
                (first, values.iter().skip(1).map(|value| element(value, &any)).collect())
            }
            b"preg_replace_callback" | b"mb_ereg_replace_callback" => {
                let subject = values.get(2).cloned().unwrap_or_default();
                (second, vec![subject])
            }
            b"array_reduce" => (second, vec![values.get(2).cloned().unwrap_or_default(), element(&first, &any)]),
            b"iterator_apply" => (second, spread(values.get(2).unwrap_or(&any))),
            b"array_walk" | b"array_walk_recursive" => {
                if let (K::Arr(arr), true) = (&first.k, first.is_known() && !matches!(second.k, K::Unknown))
                    && arr.items.len() <= 64
                {
                    self.dangerous_callback(here, name, &second);
                    for (key, value) in &arr.items {
                        let mut passed = vec![value.clone(), builtin::key_value(key)];
                        passed.extend(values.get(2).cloned());
                        self.call_value(here, &second, passed, &[]);
                    }
                    return Some(Val::unknown());
                }
                let mut passed = vec![element(&first, &any), Val::tainted(first.taint()).with_flag(flag::KEY)];
                passed.extend(values.get(2).cloned());
                (second, passed)
            }
            b"array_filter" => {
                let keys = matches!(values.get(2).and_then(Val::int), Some(2));
                let item = element(&first, &any);
                (second, vec![if keys { Val::tainted(first.taint()) } else { item }])
            }
            b"usort" | b"uasort" | b"uksort" | b"array_find" => {
                let item = if name == b"uksort" { Val::tainted(first.taint()) } else { element(&first, &any) };
                (second, vec![item.clone(), item])
            }
            _ => {
                let (function, arrays) = values.split_last()?;
                let item = element(arrays.first()?, &any);
                let other = arrays.get(1).map_or_else(Val::unknown, |value| element(value, &any));
                (function.clone(), vec![item, other])
            }
        };
        if values.len() < 2 {
            return None;
        }
        self.dangerous_callback(here, name, &function);
        let results = self.call_value(here, &function, passed, &[]);
        if name == b"array_map" || name == b"array_reduce" || name.ends_with(b"callback") {
            let taint = Taint::join(results.t.as_ref(), None);
            return Some(Val { k: K::Unknown, t: taint, made: results.made });
        }
        Some(Val::tainted(values.first().and_then(Val::taint)))
    }

    pub(super) fn filter(&mut self, here: (At<'_>, Id), name: &[u8], values: &[Val]) -> Val {
        let place = self.place(here.0, here.1);
        let subject = if name.starts_with(b"filter_input") {
            self.profile.takes_orders = true;
            Val::tainted(Some(Taint::new(from::REQUEST, 0, place, "filter_input()")))
        } else {
            values.first().cloned().unwrap_or_default()
        };
        for value in values.iter().skip(1) {
            if let K::Arr(options) = &value.k {
                let key = super::value::Key::Str(Rc::new(b"options".to_vec()));
                if let Some(function) = options.get(&key)
                    && matches!(function.k, K::Str(_) | K::Closure(_))
                {
                    return self.call_value(here, function, vec![subject], &[]);
                }
                if let Some(function) = options.get(&key)
                    && function.is_ordered()
                {
                    self.chosen_function(here, function, std::slice::from_ref(&subject));
                }
            }
        }
        // Without a filter, or with the one that does nothing, the value is as it came.
        let filters = values.len() > if name == b"filter_input" { 2 } else { 1 };
        if filters { subject.with_flag(flag::FILTERED) } else { subject }
    }

    pub(super) fn create_function(&mut self, here: (At<'_>, Id), params: &Val, code: &Val) -> Val {
        if params.is_ordered() {
            self.run_code(here, params, "create_function");
        }
        let (Some(params), Some(text)) = (params.bytes(), code.bytes()) else {
            self.run_code(here, code, "create_function");
            return Val::unknown();
        };
        self.note_code(here, code, "create_function");
        if runs_parameter(&text, &params) {
            let what = "create_function(): runs what it is given";
            self.hit(here, &rule::EXECUTING_CALLBACK, (Severity::High, 80), None, what);
        }
        let text = [b"return function(", params.as_slice(), b"){", text.as_slice(), b"};"].concat();
        let is_hidden = code.made & made::HIDDEN != 0;
        self.run_layer(here, &Rc::new(text), true, is_hidden)
    }
}

/// Says whether code evaluates or executes one of its parameters.
fn runs_parameter(code: &[u8], params: &[u8]) -> bool {
    let code: Vec<u8> = code.iter().filter(|b| !b.is_ascii_whitespace() && **b != b'@').copied().collect();
    let names = params.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| name.starts_with(b"$"));
    let runs: [&[u8]; 6] = [b"assert(", b"eval(", b"system(", b"exec(", b"passthru(", b"eval(stripslashes("];
    names.into_iter().any(|name| {
        runs.iter().any(|run| {
            let call = [run, name, b")"].concat();
            super::lexer::find(&code, 0, &call).is_some()
        })
    })
}

/// The elements of an array as arguments.
pub(super) fn spread(value: &Val) -> Vec<Val> {
    match &value.k {
        K::Arr(arr) if value.is_known() => arr.items.iter().map(|(_, value)| value.clone()).collect(),
        _ => {
            let item = element(value, &Val::unknown());
            let mut item = item;
            if let Some(taint) = &mut item.t {
                taint.flags &= !flag::WHOLE;
            }
            vec![item.clone(), item]
        }
    }
}

/// Says whether a pattern names the characters that may stay, or those that must go.
pub(super) fn is_filter(pattern: Option<&Val>) -> bool {
    let Some(pattern) = pattern else { return false };
    let head = pattern.head();
    let Some((body, _)) = super::pattern::parts(head) else { return false };
    body.starts_with(b"[^")
        || (body.starts_with(b"^[") && body.ends_with(b"$"))
        || body.starts_with(b"\\W")
        || body.starts_with(b"\\D")
        || (body.starts_with(b"^\\") && body.ends_with(b"$"))
}

pub(super) fn is_fetch(name: &[u8]) -> bool {
    const DRIVERS: [&[u8]; 7] = [b"mysql_", b"mysqli_", b"pg_", b"sqlite_", b"mssql_", b"oci_", b"odbc_"];
    DRIVERS.iter().any(|driver| name.starts_with(driver))
        && (super::lexer::find(name, 0, b"fetch").is_some() || name.ends_with(b"_result"))
}
