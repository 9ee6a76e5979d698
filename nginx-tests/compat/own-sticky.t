# nginx 1.29.6 and newer, which has its own "sticky", "route=" and "drain", and from 1.29.7 on keeps connections to servers open
# by default.
#
# lib/Upstreams.pm has the servers and the sections.

use Sticky qw(Upstreams Visits);

client_sections();
upstream_sections(<<'_EOC_', {since => '1.29.6'});
keepalive_requests 1000;
location /connection { return 200 "NAME $connection"; }
location /login { add_header Set-Cookie "app=$arg_user"; return 200 "NAME"; }
_EOC_

# The cookies that a response sets, without attributes.
sub pairs { return join ' ', sort map { s/;.*//r } heads('Set-Cookie', $_[0]) }

master_on();
run_tests();

__DATA__

=== "sticky cookie" in another upstream works as without the module
--- upstreams
upstream own  { sticky cookie srv_id path=/; server A:; server B:; server C:; }
upstream zone { zone own_1 64k; least_conn; server A:; server B:; server C:; sticky cookie srv_id; }
upstream ours { session_sticky; server A:; server B:; server C:; }
--- client
for my $path ('/own/', '/zone/') {
    my @first = map { visit($path, undef, 1983) } 1 .. 6;
    equals(bodies(@first), 'A | B | C', "$path: new sessions go to all servers");
    equals(scalar(grep { pairs($_) ne "srv_id=$id{body($_)}" } @first), 0, "$path: sticky sets the ID of the server that responded");
    for my $name (qw(A B C)) {
        equals(bodies(everywhere($path, "srv_id=$id{$name}; route=$id{A}")), $name, "$path: and passes sessions of $name to it");
    }
}
for my $name (qw(A B C)) {
    my @bound = everywhere('/ours/', "srv_id=$id{A}; route=$id{$name}");
    equals(bodies(@bound), $name, "session_sticky passes its sessions of $name to it");
    equals(cookies(@bound), '', 'without a new cookie');
}
equals(scalar(grep { pairs($_) ne "route=$id{body($_)}" } everywhere('/ours/')), 0, 'and sets the ID of the server that responded');



=== "sticky route" and "sticky learn" in other upstreams work as without the module
--- upstreams
upstream route { server A: route=a; server B: route=b; server C: route=c; sticky route $arg_to $cookie_to; }
upstream learn { server A:; server B:; server C:; sticky learn create=$upstream_cookie_app lookup=$cookie_app zone=learnt:64k; }
upstream ours  { session_sticky hash=plain; server A: route=a; server B: route=b; server C: id=c; }
--- client
equals(bodies(map { visit("/route/?to=$_", 'to=a', 1983) } ('b') x 5), 'B', 'a route in an argument');
equals(bodies(everywhere('/route/', 'to=c')), 'C', 'a route in a cookie');
my %learnt;
for my $user (1 .. 6) {
    my $response = visit("/learn/login?user=$user", undef, 1983);
    $learnt{$user} = body($response);
    equals(pairs($response), "app=$user", "the application logs user $user in");
}
equals(join('', sort values %learnt), 'AABBCC', 'users are spread');
equals(bodies(map { visit('/learn/', "app=$_; route=c", 1983) } ($_) x 3), $learnt{$_}, "the session of user $_ stays") for 1 .. 6;
equals(bodies(everywhere('/ours/', "route=" . lc)), $_, "session_sticky keeps its sessions: $_") for qw(A B C);



=== both directives accept each other's cookies
--- upstreams
upstream own  { sticky cookie route; server A:; server B:; server C:; }
upstream ours { session_sticky; server A:; server B:; server C:; }
--- client
for (1 .. 3) {
    my $cookie = pairs(visit('/own/', undef, 1983));
    equals(bodies(everywhere('/ours/', $cookie)), bodies(everywhere('/own/', $cookie)), "$cookie selects the same server in both");
    $cookie = pairs(visit('/ours/', undef, 1983));
    equals(bodies(everywhere('/own/', $cookie)), bodies(everywhere('/ours/', $cookie)), "$cookie selects the same server in both");
}



=== a request that is passed from one upstream to the other: each sets its own cookie
--- upstreams
upstream ours { session_sticky; server D: max_fails=0; }
upstream own  { sticky cookie srv_id; server A:; server B:; }
upstream dead { sticky cookie srv_id; server D: max_fails=0; }
upstream live { session_sticky; server A:; server B:; }
--- locations
location /to-own/ { proxy_pass http://ours/; error_page 502 = @own; }
location @own     { proxy_pass http://own; }
location /to-ours/ { proxy_pass http://dead/; error_page 502 = @live; }
location @live     { proxy_pass http://live; }
--- client
for my $name (qw(A B)) {
    my @own = everywhere('/to-own/', "srv_id=$id{$name}; route=$id{D}");
    equals(bodies(@own), $name, "from session_sticky to sticky: $name");
    equals(join(' ', map { pairs($_) } @own), join(' ', ("srv_id=$id{$name}") x @own), 'only the cookie of sticky is set');
    my @live = everywhere('/to-ours/', "srv_id=$id{D}; route=$id{$name}");
    equals(bodies(@live), $name, "from sticky to session_sticky: $name");
    equals(scalar(grep { pairs($_) =~ /route=/ } @live), 0, 'which sets no cookie');
}
my $first = visit('/to-ours/', undef, 1983);
holds(pairs($first) =~ /\broute=$id{body($first)}/, 'a new session is bound to the server that responds');
--- no_error_log eval
[qr/\[warn\](?!.* (?:is also that of|has no effect in) upstream )/, '[crit]', '[alert]', '[emerg]']



=== both in one upstream: sticky cookie, session_sticky first
--- upstreams
upstream u { session_sticky; sticky cookie srv_id; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and nginx's own "sticky" are both specified, remove one of them from upstream "u" in



=== both in one upstream: sticky cookie first
--- upstreams
upstream u { sticky cookie srv_id; server A:; session_sticky; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and nginx's own "sticky" are both specified, remove one of them from upstream "u" in



=== both in one upstream: sticky route
--- upstreams
upstream u { server A: route=a; sticky route $cookie_to; session_sticky; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and nginx's own "sticky" are both specified, remove one of them from upstream "u" in



=== both in one upstream: sticky learn, with a load-balancing method between them
--- upstreams
upstream u { session_sticky; least_conn; server A:; sticky learn create=$upstream_cookie_app lookup=$cookie_app zone=both:64k; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and nginx's own "sticky" are both specified, remove one of them from upstream "u" in



=== route= is the ID for hash=plain if there is no id=
--- upstreams
upstream plain { session_sticky hash=plain fallback=off; server A: route=a; server B: route=b id=mine; server C:; }
upstream zone  { zone routes 64k; session_sticky hash=plain fallback=off; server A: route=a; server B: route=b id=mine; server C:; }
upstream md5   { session_sticky fallback=off; server A: route=a; server B: route=b id=mine; server C:; }
--- client
for my $path ('/plain/', '/zone/') {
    my %want = (a => 'A', mine => 'B', '127.0.0.1:1987' => 'C', b => '502', '127.0.0.1:1985' => '502', $id{A} => '502');
    equals(bodies(everywhere($path, "route=$_")), $want{$_}, "$path: $_ selects $want{$_}") for sort keys %want;
    equals(cookies(everywhere($path)), '127.0.0.1:1987 | a | mine', "$path: new sessions get these IDs");
}
equals(bodies(everywhere('/md5/', "route=$id{$_}")), $_, "md5: the MD5 of its address selects $_") for qw(A B C);
equals(bodies(everywhere('/md5/', 'route=a')), '502', 'md5: the route is not an ID');
--- no_error_log eval
[qr/\[warn\](?!.* (?:is also that of|has no effect in) upstream )/, '[crit]', '[alert]', '[emerg]']
--- may_warn
parameter "id" of the "server" directive has no effect



=== route= shared by two servers: the first available one gets the sessions
--- upstreams
upstream u { session_sticky hash=plain; server D: route=x max_fails=0; server B: route=x; server C: route=c; }
--- client
my @bound = everywhere('/u/', 'route=x');
equals(tried(@bound), '127.0.0.1:1999, 127.0.0.1:1986', 'the first is tried, then the second');
equals(cookies(@bound), '', 'and the cookie does not change');
equals(bodies(everywhere('/u/', 'route=c')), 'C', 'the third one has its own sessions');



=== drain: with an ID by route=, sessions stay and there are no new ones
--- upstreams
upstream u    { session_sticky hash=plain; server A: route=a drain; server B: route=b; server C: route=c; }
upstream zone { session_sticky hash=plain; zone drains 64k; random two; server A: route=a drain; server B: route=b; server C: route=c; }
upstream own  { sticky cookie srv_id; server A: drain; server B:; server C:; }
--- client
for my $path ('/u/', '/zone/') {
    my @bound = everywhere($path, 'route=a');
    equals(bodies(@bound), 'A', "$path: its sessions stay");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path)), 'B | C', "$path: no new sessions");
}
equals(bodies(everywhere('/own/', "srv_id=$id{A}")), 'A', 'the same for the sessions of sticky');
equals(bodies(everywhere('/own/')), 'B | C', 'and no new sessions');



=== connections to bound servers are kept open by default, and used only for their own server
--- since: 1.29.7
--- upstreams
upstream u { session_sticky; server A:; server B:; server C:; }
upstream z { zone kept_1 64k; hash $arg_key consistent; server A:; session_sticky; server B:; server C:; }
upstream k { keepalive 8; session_sticky; least_conn; server A:; server B:; server C:; }
upstream l { session_sticky; keepalive 8 local; random; server A:; server B:; server C:; }
--- client
for my $path ('/u/', '/z/', '/k/', '/l/') {
    my %connections;
    for (1 .. 5) {
        $connections{$_}{body(visit("${path}connection", "route=$id{$_}", 1983))}++ for qw(A B C);
    }
    for my $name (qw(A B C)) {
        my @used = keys %{$connections{$name}};
        equals(scalar(@used), 1, "$path: one connection for the sessions of $name");
        holds($used[0] =~ /^$name \d+$/, "$path: which is to $name");
    }
    my $visitor = body(visit("${path}connection?key=1", undef, 1983));
    holds($connections{substr $visitor, 0, 1}{$visitor}, "$path: a request without a cookie uses one of them");
}



=== keepalive 0: no connection is reused
--- since: 1.29.7
--- upstreams
upstream first { keepalive 0; session_sticky; server A:; server B:; }
upstream last  { session_sticky; server A:; server B:; least_conn; keepalive 0; }
--- client
for my $path ('/first/', '/last/') {
    my @bound = map { visit("${path}connection", "route=$id{B}", 1983) } 1 .. 5;
    my %connections = map { body($_) => 1 } @bound;
    equals(scalar(keys %connections), 5, "$path: five connections for five requests");
    equals(scalar(grep { !/^B / } keys %connections), 0, "$path: all to the bound server");
}



=== keepalive 1: the connection is not used for another server
--- since: 1.29.7
--- upstreams
upstream u { session_sticky; keepalive 1; server A:; server B:; }
--- client
my @names = qw(A B A A B B A B);
my @answers = map { body(visit('/u/connection', "route=$id{$_}", 1983)) } @names;
equals(join(' ', map { substr $_, 0, 1 } @answers), "@names", 'each session is served by its own server');
equals($answers[3], $answers[2], 'A twice: the same connection');
equals($answers[5], $answers[4], 'B twice: the same connection');
holds($answers[2] ne $answers[0], 'A after B: another connection');
