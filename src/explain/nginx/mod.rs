//! nginx: what each directive of a configuration becomes.
//!
//! `parse` reads, `site` looks at the whole, `location` at one block, `table` has what means the same everywhere. Here the
//! lines are gone through in order, each told once.

mod access_log;
mod guard;
mod headers;
mod lines;
pub(super) mod location;
mod parse;
mod site;
pub mod table;

use std::path::Path;

use guard::Guard;
use location::{Kind, Location};
use parse::{Directive, parse};
use site::Site;

use super::Context;
use super::plan::Plan;
use super::rules::{self, Unit};
use super::setting::{Finding, Place, Setting, Status};

/// How deep files may include one another.
const DEPTH: usize = 8;
/// How many are read in all, as a file may include itself more than once.
const MOST_FILES: usize = 256;

/// One nginx configuration with what it includes.
#[derive(Debug, Default)]
pub struct Nginx {
    tree: Vec<Directive>,
    site: Site,
    /// Where an include stands that could not be read.
    missing: Vec<Place>,
    included: usize,
}

impl Nginx {
    /// Reads `text`, which the operator calls `source`.
    ///
    /// # Errors
    /// A sentence with the line at which the grammar does not hold.
    pub fn read(source: &str, text: &str, context: &Context) -> Result<Self, String> {
        let mut nginx = Self::default();
        let base = Path::new(source).parent().unwrap_or(Path::new("")).to_path_buf();
        nginx.tree = nginx.with_includes(parse(text, source)?, &base, context, 0)?;
        nginx.site = Site::of(&nginx.tree);
        Ok(nginx)
    }

    /// Whether requests go on to an application.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.site.application.is_some()
    }

    /// Behind each include comes what it includes.
    fn with_includes(
        &mut self,
        directives: Vec<Directive>,
        base: &Path,
        context: &Context,
        depth: usize,
    ) -> Result<Vec<Directive>, String> {
        let mut whole = Vec::new();
        for mut directive in directives {
            if let Some(block) = directive.block.take() {
                directive.block = Some(self.with_includes(block, base, context, depth)?);
            }
            let included = (directive.name == "include").then(|| directive.first().to_owned());
            let place = directive.place.clone();
            whole.push(directive);
            let Some(path) = included else { continue };
            let files = (context.list)(&base.join(&path));
            if files.is_empty() || depth == DEPTH {
                self.missing.push(place);
                continue;
            }
            for file in files {
                let shown = file.display().to_string();
                self.included += 1;
                if self.included > MOST_FILES {
                    self.missing.push(place.clone());
                    break;
                }
                match (context.open)(&file) {
                    Ok(text) => whole.extend(self.with_includes(parse(&text, &shown)?, base, context, depth + 1)?),
                    Err(_) => self.missing.push(place.clone()),
                }
            }
        }
        Ok(whole)
    }

    /// What became of each directive, in order.
    pub fn explain(&self, plan: &mut Plan) -> Vec<Finding> {
        let mut walk = Walk { nginx: self, plan, findings: Vec::new() };
        walk.block(&self.tree, &Scope::default());
        let findings = walk.findings;
        if self.site.has_tls && !self.site.has_plain {
            plan.advise("nginx listened for TLS alone: end TLS in front (ingress, mesh or load balancer), let it send X-Forwarded-Proto, and name it by --forwarded-allow-ips.");
        }
        if self.site.is_many() {
            plan.advise(format!(
                "{} sites with applications of their own are in it: each becomes a monopod of its own, so explain each alone. Here their lines are told as one, for {}.",
                self.site.applications.len(),
                self.site.application.as_deref().unwrap_or_default()
            ));
        }
        if !self.is_proxy() {
            plan.advise("No proxy_pass was found: which application do the other paths belong to? Name it as TARGET.");
        }
        findings
    }
}

/// Where in the configuration a directive stands.
#[derive(Default, Clone, Copy)]
struct Scope<'a> {
    server: Option<&'a Directive>,
    location: Option<&'a Location>,
    root: Option<&'a str>,
    guard: Guard,
    /// In front of the directive's name.
    label: &'a str,
    in_if: bool,
    in_upstream: bool,
}

struct Walk<'a> {
    nginx: &'a Nginx,
    plan: &'a mut Plan,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn block(&mut self, directives: &[Directive], scope: &Scope<'_>) {
        let root =
            directives.iter().rev().find(|directive| directive.name == "root").map(Directive::first).or(scope.root);
        let guard = scope.guard.within(directives);
        let scope = Scope { root, guard, ..*scope };
        for directive in directives {
            self.directive(directive, &scope);
        }
    }

    fn directive(&mut self, directive: &Directive, scope: &Scope<'_>) {
        let name = match scope.label {
            "" => directive.name.clone(),
            label => format!("{label} › {}", directive.name),
        };
        let mut values = directive.arguments.clone();
        let is_opaque = table::OPAQUE.contains(&directive.name.as_str());
        if is_opaque && let Some(block) = &directive.block {
            values.push(format!("{{ {} entries }}", block.len()));
        }
        let setting = Setting { place: directive.place.clone(), name, values, computed: false, assigned: false };
        match directive.name.as_str() {
            "location" => return self.location(directive, setting, scope),
            "if" => {
                let label = format!("if {}", setting.shown());
                self.findings.push(Finding::dropped(setting, "conditions are the ingress's or the application's"));
                return self.block(directive.inner(), &Scope { in_if: true, label: &label, ..*scope });
            }
            "upstream" => {
                let is_ours = self.nginx.site.is_application(directive.first());
                let note = if is_ours {
                    "the application is in this process"
                } else {
                    "not the application's: route to it at the ingress"
                };
                let status = if is_ours { Status::NotNeeded } else { Status::Dropped };
                self.findings.push(Finding::new(setting, status, note));
                let label = format!("upstream {}", directive.first());
                return self.block(directive.inner(), &Scope { in_upstream: true, label: &label, ..*scope });
            }
            "server" if directive.block.is_some() => {
                let note = if site::serves(directive) {
                    "what is in it is told line by line"
                } else {
                    "it only redirects or refuses"
                };
                self.findings.push(Finding::not_needed(setting, note));
                return self.block(directive.inner(), &Scope { server: Some(directive), ..*scope });
            }
            _ => {}
        }
        let finding = self.leaf(directive, setting, scope);
        self.findings.push(finding);
        if !is_opaque {
            self.block(directive.inner(), scope);
        }
    }

    fn location(&mut self, directive: &Directive, setting: Setting, scope: &Scope<'_>) {
        let guard = scope.guard.within(directive.inner());
        let location = Location::of(directive, scope.root, guard, &self.nginx.site);
        for advice in &location.advice {
            self.plan.advise(advice.as_str());
        }
        let setting = Setting { name: location.label.clone(), values: Vec::new(), ..setting };
        let finding = self.of_location(setting, &location);
        let location = Location { status: finding.status, note: finding.note.clone(), ..location };
        self.findings.push(finding);
        self.block(directive.inner(), &Scope { location: Some(&location), label: &location.label, ..*scope });
    }

    /// The options that stand for a location.
    fn of_location(&mut self, setting: Setting, location: &Location) -> Finding {
        let mut becomes = Vec::new();
        for (key, value) in &location.choices {
            if value.contains(['$', '{']) {
                return Finding::unknown(
                    setting,
                    format!("{value} has a variable: write --{key} with what it stands for"),
                );
            }
            match self.plan.choose(key, value) {
                Ok(choice) => becomes.push(choice),
                Err(why) => return Finding::dropped(setting, why.trim_end_matches('.').to_owned()),
            }
        }
        Finding { setting, status: location.status, becomes, note: location.note.clone() }
    }

    /// What the place alone decides, whatever the directive is set to; gives the setting back where it does not.
    fn elsewhere(
        directive: &Directive,
        rule: &rules::Rule,
        setting: Setting,
        scope: &Scope<'_>,
    ) -> Result<Finding, Setting> {
        let has_variable = setting.values.iter().any(|value| value.contains("${") || value.contains("{{"));
        if let (rules::Becomes::Option(key, _), true) = (rule.becomes, has_variable) {
            return Ok(Finding::unknown(setting, format!("it has a variable: write --{key} with what it stands for")));
        }
        if directive.name == "deny" && scope.location.is_some_and(|location| location.note == location::HIDDEN) {
            return Ok(Finding::not_needed(setting, location::HIDDEN));
        }
        if let (rules::Becomes::Option(key, _), Some(location)) = (rule.becomes, scope.location)
            && location.prefix.as_deref() != Some("")
        {
            return Ok(Finding::dropped(
                setting,
                format!("--{key} is one for all paths, not of {} alone", location.label),
            ));
        }
        Err(setting)
    }

    fn leaf(&mut self, directive: &Directive, setting: Setting, scope: &Scope<'_>) -> Finding {
        if scope.in_if {
            return Finding::dropped(setting, Self::in_condition(directive));
        }
        if scope.in_upstream {
            return Finding::not_needed(setting, "there is no connection to an upstream");
        }
        let Some(rule) = table::find(&directive.name) else {
            if directive.name.contains("_by_lua") {
                return Finding::dropped(setting, "Lua: the application's middleware or the ingress");
            }
            return Finding::unknown(setting, "explain does not know this directive");
        };
        let is_simple = !matches!(rule.becomes, rules::Becomes::Own(..));
        let setting = match Self::elsewhere(directive, rule, setting, scope) {
            Ok(finding) => return finding,
            Err(setting) => setting,
        };
        if is_simple {
            // `keepalive_timeout 65 60`: the second is a header's, and not sent here.
            let setting = match rule.becomes {
                rules::Becomes::Option(..) if setting.values.len() > 1 => {
                    Setting { values: vec![setting.values[0].clone()], ..setting }
                }
                _ => setting,
            };
            return rules::follow(rule, setting, self.plan, false)
                .unwrap_or_else(|setting| Finding::unknown(setting, ""));
        }
        let application = scope.location.is_none_or(|location| location.kind == Kind::App);
        match rule.name {
            "listen" => self.listen(directive, setting, scope),
            "server_name" => Finding::not_needed(
                setting,
                "every name is answered: the ingress picks hosts; ALLOWED_HOSTS in Django checks them",
            ),
            "alias" | "root" | "try_files" | "internal" => self.of_files(directive, setting, scope),
            "proxy_pass" => self.pass(setting, scope),
            "expires" => self.expires(setting, scope),
            "add_header" => self.add_header(setting, scope),
            "client_max_body_size" => self.body_size(setting, scope),
            "proxy_read_timeout" if application && self.nginx.site.read_timeout.as_ref() == Some(&directive.place) => {
                rules::keep(
                    setting,
                    "timeout",
                    Unit::NginxTime,
                    "until the answer begins; a stream may last",
                    self.plan,
                )
            }
            "proxy_read_timeout" => Finding::dropped(
                setting,
                "there is one --timeout for all paths, that of the application's main location (without one, the longest)",
            ),
            "proxy_set_header" => self.set_header(setting),
            "return" => Self::returned(setting, scope),
            "set_real_ip_from" => rules::keep(
                setting,
                "forwarded-allow-ips",
                Unit::Same,
                "who may say the client's address, scheme and host",
                self.plan,
            ),
            "real_ip_header" => match setting.value().to_ascii_lowercase().as_str() {
                "x-forwarded-for" => Finding::not_needed(setting, "X-Forwarded-For and Forwarded are read"),
                "proxy_protocol" => rules::keep(setting, "proxy-protocol", Unit::On, "", self.plan),
                _ => Finding::dropped(
                    setting,
                    "only X-Forwarded-For and Forwarded are read: let the proxy in front send one of them",
                ),
            },
            "access_log" => self.access_log(setting, scope),
            "log_format" => self.log_format(setting),
            "large_client_header_buffers" => {
                let size = setting.values.get(1).cloned().unwrap_or_default();
                let line = self.plan.choose("max-request-line", &size);
                let sized = Setting { values: vec![size], ..setting.clone() };
                let mut finding = rules::keep(
                    sized,
                    "max-header-size",
                    Unit::Same,
                    "the size; their number has no limit but four times that in all",
                    self.plan,
                );
                finding.becomes.extend(line);
                Finding { setting, ..finding }
            }
            "proxy_buffering" if setting.value() == "off" => Finding::dropped(
                setting,
                "chunks are sent as they come either way; for a response that must wait for its client the application says `X-Accel-Buffering: no`",
            ),
            "proxy_request_buffering" if setting.value() != "off" => Finding::not_needed(setting, rule.note),
            "include" => self.include(directive, setting),
            _ => Finding::new(
                setting,
                if let rules::Becomes::Own(status, _) = rule.becomes { status } else { Status::Unknown },
                rule.note,
            ),
        }
    }
}
