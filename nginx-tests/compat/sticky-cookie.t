# "sticky cookie", which nginx supports from 1.29.6 on and the module supports in older versions, and its predecessor
# "sticky_cookie_insert" of NGINX Plus.
#
# Blocks about common behavior run on every version; on newer ones they test nginx's own directive. lib/Upstreams.pm has the
# servers and the sections.

use Sticky qw(Upstreams Visits);
use POSIX qw(strftime setlocale LC_TIME);
use Time::HiRes ();

setlocale(LC_TIME, 'C');

client_sections();
upstream_sections(<<'_EOC_');
location /404 { return 404 "NAME"; }
location /sees { return 200 "NAME sees [$http_cookie]"; }
_EOC_

# A pattern for the date of a cookie that was set in this second or the previous three.
sub date {
    my ($seconds) = @_;
    # The same clock as nginx's: time(2) may be a tick, and therefore a second, behind it.
    my $now = int Time::HiRes::time;
    return '(?:' . join('|', map { strftime('%a, %d-%b-%y %H:%M:%S GMT', gmtime($now + $seconds - $_)) } 0 .. 3) . ')';
}

run_tests();

__DATA__

=== sticky cookie: the form of the cookie, which every response sets
--- upstreams
upstream bare   { sticky cookie srv_id; server A:; server B:; }
upstream all    { sticky cookie srv_id expires=1h domain=.example.com httponly samesite=lax secure path=/app; server A:; server B:; }
upstream max    { sticky cookie srv_id path=/ expires=max; server A:; server B:; }
upstream units  { server A:; sticky cookie srv_id samesite=strict expires=1h30m; }
--- client
equals(set(visit('/bare/', undef, 1983)), "srv_id=$id{A}", 'only the ID');
equals(set(visit('/bare/404', undef, 1983)), "srv_id=$id{B}", 'also in error responses of the server');
equals(set(visit('/bare/', "srv_id=$id{B}", 1983)), "srv_id=$id{B}", 'and for a client that already has it');
holds(set(visit('/all/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(3600)]}; max-age=3600; domain=\.example\.com; httponly; secure; samesite=lax; path=\/app$/,
      'every attribute in order');
equals(set(visit('/max/', undef, 1983)), "srv_id=$id{A}; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000; path=/", 'expires=max');
holds(set(visit('/units/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(5400)]}; max-age=5400; samesite=strict$/, 'a time with units');



=== sticky cookie: expires=0, also in nginx's own directive
--- upstreams
upstream now { server A:; sticky cookie srv_id expires=0; }
--- client
holds(set(visit('/now/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(0)]}; max-age=0$/, 'max-age=0');
--- no_error_log
[alert]
[emerg]
--- may_warn
binds no client, since browsers delete the cookie on arrival



=== sticky cookie: sessions stay, those of a failed server move permanently
--- upstreams
upstream u    { sticky cookie srv_id; server A:; server B:; }
upstream last { least_conn; server A:; server B:; sticky cookie srv_id; }
upstream dead { sticky cookie srv_id; server A:; server D:; }
--- client
for my $path ('/u/', '/last/') {
    for my $name (qw(A B)) {
        my @bound = everywhere($path, "other=1; srv_id=$id{$name}");
        equals(bodies(@bound), $name, "$path: the session of $name stays");
        equals(cookies(@bound), $id{$name}, "$path: and the cookie is set each time");
    }
    equals(bodies(everywhere($path)), 'A | B', "$path: new sessions are spread");
    equals(bodies(everywhere($path, 'srv_id=nobody')), 'A | B', "$path: and so are sessions with an unknown ID");
}
my $moved = visit('/dead/', "srv_id=$id{D}", 1983);
equals(body($moved), 'A', 'the session of a failed server moves');
equals(set($moved), "srv_id=$id{A}", 'permanently');
equals(body(visit('/u/sees', "a=1; srv_id=$id{A}", 1983)), "A sees [a=1; srv_id=$id{A}]", 'the server receives the cookie');
--- no_error_log
[alert]
[emerg]



=== sticky cookie: samesite by a variable
--- upstreams
upstream u { sticky cookie srv_id samesite=$arg_same; server A:; }
--- client
equals(set(visit('/u/?same=none', undef, 1983)), "srv_id=$id{A}; samesite=none", 'a valid value');
equals(set(visit('/u/', undef, 1983)), "srv_id=$id{A}", 'an empty value');
equals(set(visit('/u/?same=x;Path=', undef, 1983)), "srv_id=$id{A}; samesite=strict", 'an invalid value');



=== sticky cookie: a domain by a variable
--- upstreams
upstream u { sticky cookie srv_id domain=$arg_d path=/; server A:; }
upstream v { sticky cookie srv_id domain=.$arg_d.test; server A:; }
--- client
equals(set(visit('/u/?d=.example.com', undef, 1983)), "srv_id=$id{A}; domain=.example.com; path=/", 'a host name');
equals(set(visit('/u/', undef, 1983)), "srv_id=$id{A}; path=/", 'an empty value');
equals(set(visit('/v/?d=a', undef, 1983)), "srv_id=$id{A}; domain=.a.test", 'as a part of the text');



=== sticky cookie: a domain that is not a host name is omitted
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id domain=$arg_d; server A:; }
--- client
equals(set(visit("/u/?d=$_", undef, 1983)), "srv_id=$id{A}", "domain=$_") for 'a;Secure', 'a..b', ';path=/', 'a%20b';
--- error_log
session_sticky: domain "a;Secure" of cookie "srv_id" is not a valid host name, the cookie is set without it



=== sticky cookie: an invalid domain
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id "domain=a b"; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "a b" of parameter "domain" in "sticky cookie" directive, it must be a host name, with or without a leading dot, or text with variables in



=== an invalid variable
--- upstreams
upstream u { sticky_cookie_insert srv_id domain=a$-; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"sticky_cookie_insert" could not compile "domain=a$-" in
--- may_warn
invalid variable name



=== sticky_cookie_insert: the same as sticky cookie
--- upstreams
upstream u    { server A:; server B:; sticky_cookie_insert srv_id expires=1h domain=3evip.cn path=/; }
upstream bare { server A:; server B:; sticky_cookie_insert srv_id; }
--- client
holds(set(visit('/u/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(3600)]}; max-age=3600; domain=3evip\.cn; path=\/$/, 'the form of the cookie');
equals(set(visit('/bare/', undef, 1983)), "srv_id=$id{A}", 'only the ID');
for my $name (qw(A B)) {
    my @bound = everywhere('/bare/', "srv_id=$id{$name}");
    equals(bodies(@bound), $name, "the session of $name stays");
    equals(cookies(@bound), $id{$name}, 'and the cookie is set each time');
}



=== duplicate directives and parameters: the last one is used
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie a; sticky cookie srv_id path=/a path=/b; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), "srv_id=$id{A}; path=/b", 'the last one');
--- error_log
duplicate parameter "path" in "sticky cookie" directive, the last one is used
duplicate "sticky cookie" directive, the last one is used



=== a duplicate value, with and without a variable
--- before: 1.29.5
--- upstreams
upstream word { sticky cookie a domain=$arg_d domain=a.test samesite=$arg_s samesite=lax; server A:; }
upstream variable { sticky cookie a domain=a.test domain=$arg_d samesite=lax samesite=$arg_s; server A:; }
upstream twice { sticky cookie a domain=$arg_d samesite=$arg_s; sticky cookie a; server A:; }
--- client
equals(set(visit('/word/?d=b.test&s=none', undef, 1983)), "a=$id{A}; domain=a.test; samesite=lax", 'the constant values, if these are the last ones');
equals(set(visit('/variable/?d=b.test&s=none', undef, 1983)), "a=$id{A}; domain=b.test; samesite=none", 'the variables, if these are the last ones');
equals(set(visit('/variable/', undef, 1983)), "a=$id{A}", 'also if they are empty');
equals(set(visit('/twice/?d=b.test&s=none', undef, 1983)), "a=$id{A}", 'no parameter of the first directive is used');
--- error_log
duplicate parameter "domain" in "sticky cookie" directive, the last one is used
duplicate parameter "samesite" in "sticky cookie" directive, the last one is used
--- may_warn
duplicate "sticky cookie" directive



=== sticky_cookie_insert: duplicate parameters
--- upstreams
upstream u { sticky_cookie_insert a path=/a path=/b; server A:; }
upstream word { sticky_cookie_insert a domain=$arg_d domain=a.test; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), "a=$id{A}; path=/b", 'the last one');
equals(set(visit('/word/?d=b.test', undef, 1983)), "a=$id{A}; domain=a.test", 'also after a variable');
--- error_log
duplicate parameter "path" in "sticky_cookie_insert" directive, the last one is used
--- may_warn
duplicate parameter "domain"



=== samesite=none without secure
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id samesite=none; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), "srv_id=$id{A}; samesite=none", 'the cookie is set');
--- error_log
"sticky cookie" with "samesite=none" needs "secure", browsers reject such a cookie without it



=== sticky cookie: expires=0 is accepted with a [warn] about browsers
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id expires=0 path=/; server A:; }
--- client
holds(set(visit('/u/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(0)]}; max-age=0; path=\/$/, 'the cookie is set');
--- error_log
"sticky cookie" with "expires=0" has no effect, since browsers delete such a cookie: specify at least one second, or omit it



=== sticky_cookie_insert: expires=0, in any unit
--- upstreams
upstream u { sticky_cookie_insert srv_id expires=0h path=/; server A:; }
--- client
holds(set(visit('/u/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(0)]}; max-age=0; path=\/$/, 'the cookie is set');
--- error_log
"sticky_cookie_insert" with "expires=0" has no effect, since browsers delete such a cookie: specify at least one second, or omit it



=== expires=0 that is overridden, and other times: no [warn]
--- upstreams
upstream u { sticky_cookie_insert srv_id expires=0 expires=1; server A:; }
upstream v { sticky_cookie_insert srv_w expires=0 expires=max; server A:; }
upstream w { sticky_cookie_insert srv_x; server A:; }
--- client
holds(set(visit('/u/', undef, 1983)) =~ /max-age=1$/, 'the last one is used');
--- no_error_log
browsers delete the cookie
--- may_warn
duplicate parameter "expires"



=== sticky cookie: an unknown parameter
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id maxage=1; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "maxage=1" in "sticky cookie" directive, it must be one of: expires=, domain=, httponly, samesite=, secure, path= in



=== sticky cookie: an invalid time
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie srv_id expires=soon; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "soon" of parameter "expires" in "sticky cookie" directive, it must be "max" or a time in seconds, or with units such as "1h30m" in



=== sticky cookie: an invalid name
--- before: 1.29.5
--- upstreams
upstream u { sticky cookie "a b"; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid cookie name "a b" in "sticky cookie" directive, it must be a token



=== sticky cookie without a name, also in nginx's own directive
--- upstreams
upstream u { sticky cookie; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid number of arguments in "sticky" directive in



=== sticky_cookie_insert: expires=max, and duplicate parameters
--- upstreams
upstream u { sticky_cookie_insert srv_id expires=5 expires=max path=/; server A:; }
upstream v { sticky_cookie_insert srv_id expires=max expires=0; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), "srv_id=$id{A}; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000; path=/", 'ten years');
holds(set(visit('/v/', undef, 1983)) =~ /^srv_id=$id{A}; expires=@{[date(0)]}; max-age=0$/, 'the last one is used');
--- error_log
duplicate parameter "expires" in "sticky_cookie_insert" directive, the last one is used
--- may_warn
binds no client, since browsers delete the cookie on arrival



=== sticky_cookie_insert: a parameter that it does not support
--- upstreams
upstream u { sticky_cookie_insert srv_id secure; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "secure" in "sticky_cookie_insert" directive, it must be one of: expires=, domain=, path= in



=== sticky_cookie_insert: an invalid time
--- upstreams
upstream u { sticky_cookie_insert srv_id expires=soon; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "soon" of parameter "expires" in "sticky_cookie_insert" directive, it must be "max" or a time in seconds



=== sticky_cookie_insert without a name
--- upstreams
upstream u { sticky_cookie_insert; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid number of arguments in "sticky_cookie_insert" directive in



=== two directives in one upstream
--- upstreams
upstream u { sticky_cookie_insert srv_id; session_sticky; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"sticky_cookie_insert" and "session_sticky" are both specified, remove one of them in



=== two directives in one upstream, in reverse order
--- upstreams
upstream u { session_sticky; sticky_cookie_insert srv_id; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and "sticky_cookie_insert" are both specified, remove one of them in
