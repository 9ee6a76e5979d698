# docs/guides/cdn.md and docs/caching.md: the files, behind an nginx that acts as a demanding CDN: it caches whatever
# Cache-Control allows, with any Set-Cookie in it, removes cookies for /static/, /images/ and /news/, and respects Vary.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/cdn.md';
our $number = 0;

# The name of the server, and the cookies that it received.
our $servers = servers(<<'_EOC_', qw(A B));
add_header X-Server NAME;
location / { return 200 "NAME [$http_cookie]"; }
location /public { add_header Cache-Control "public, max-age=60, s-maxage=600"; return 200 "NAME [$http_cookie]"; }
location /account { add_header Cache-Control "public, max-age=60"; add_header Set-Cookie "JSESSIONID=x"; return 200 "NAME [$http_cookie]"; }
location /unmarked { add_header Set-Cookie "JSESSIONID=x"; return 200 NAME; }
location /static/ { add_header Cache-Control "public, max-age=60"; add_header Set-Cookie "tracking=NAME"; add_header Vary Cookie; return 200 "NAME [$http_cookie]"; }
location /news/ { return 200 "$http_host $http_x_forwarded_for"; }
location /login { return 200 "NAME"; }
_EOC_

# Each block has its own cache for the CDN, as a cache outlives a reload.
sub cdn {
    $number++;
    return <<"_EOC_";
proxy_cache_path cdn${number}_cache keys_zone=cdn$number:1m;
server {
    listen 127.0.0.1:1995;
    proxy_cache cdn$number;
    proxy_cache_key \$uri;
    proxy_ignore_headers Set-Cookie;
    add_header X-Cdn \$upstream_cache_status always;
    location / { proxy_pass http://127.0.0.1:1983; }
    location ~ ^/(?:static|images|news)/ { proxy_pass http://127.0.0.1:1983; proxy_set_header Cookie ""; }
}
_EOC_
}

guide_sections($page, sub { return $servers . cdn() });

sub through { my ($path, $cookie) = @_; return visit($path, $cookie, 1995) }
sub cached { my ($path, $cookie) = @_; my $response = through($path, $cookie); return head('X-Cdn', $response) . ' ' . set($response) }

run_tests();

__DATA__

=== the commands
--- client
follow_transcript((transcripts($page))[0]);



=== responses with a cookie are not cached, whatever the application specifies
--- client
for my $path ('/login', '/public') {
    my @responses = map { through($path) } 1 .. 3;
    equals(join(' ', map { head('X-Cdn', $_) } @responses), 'MISS MISS MISS', "$path: not stored");
    equals(scalar(grep { set($_) =~ /^route=/ } @responses), 3, "$path: each has its own cookie");
}
equals(cached('/public', 'route=ID_A'), 'MISS ', 'the page of a client that has a session');
equals(cached('/public'), 'HIT ', 'is stored without a cookie');



=== nor is what has a cookie of the application, from a client that has one of nginx
--- client
equals(join(' ', map { cached('/account', 'route=ID_A') } 1, 2), 'MISS JSESSIONID=x MISS JSESSIONID=x', 'a public response');
equals(head('Cache-Control', visit('/unmarked', 'route=ID_A', 1983)), 'private', 'one that says nothing');
equals(join(' | ', visit('/account', 'route=ID_A', 1983) =~ /^Cache-Control: (.*?)\r$/mg), 'public, max-age=60 | private', 'a public one has both fields');



=== without add_header the CDN hands the session of the application to others
--- but: add_header Cache-Control $private always; =>
--- client
equals(join(' ', map { cached('/account', 'route=ID_A') } 1, 2), 'MISS JSESSIONID=x HIT JSESSIONID=x', 'stored');



=== paths that the map and the locations see differently
--- client
my $first = visit('/%73tatic/a.css', undef, 1983);
holds(set($first) =~ /^route=[^|]*$/ && $first =~ /^Cache-Control: private\r$/m, 'begins a session, and is private');
my @others = map { visit('/static/%2e%2e/account', 'route=ID_A; a=b', 1983) } 1 .. 4;
equals(join(' ', sort map { body($_) } @others), join(' ', map { "$_ [route=ID_A; a=b]" } qw(A A B B)), 'any server, with the cookies');
holds(!grep({ !/^Cache-Control: private\r$/m } @others), 'private, as the application sets a cookie');



=== stored paths: no cookie in either direction
--- client
my $first = through('/static/a.css', 'route=ID_A; app=1');
equals(head('X-Cdn', $first) . ' ' . set($first) . ' ' . body($first), 'MISS  A []', 'the first');
equals(cached('/static/a.css'), 'HIT ', 'the CDN has it');
my @at_nginx = map { visit('/static/b.css', "route=ID_B; n=$_", 1983) } 1 .. 3;
equals(scalar(grep { body($_) eq body($at_nginx[0]) } @at_nginx), 3, 'nginx has it too, one copy for all');
equals(join('', map { set($_) } @at_nginx), '', 'without a cookie');



=== stored paths: the application receives the host and the address of the client
--- client
equals(body(visit('/news/', undef, 1983)), 'localhost 127.0.0.1', 'both');



=== without nocache the CDN hands the session of one client to others
--- but
nocache =>
add_header Cache-Control $private always; =>
--- client
my ($first, $second) = map { through('/public') } 1, 2;
equals(head('X-Cdn', $second), 'HIT', 'stored');
equals(set($second), set($first), 'with the cookie');
holds(set($first) =~ /^route=/, 'of nginx');



=== without if= the CDN caches nothing
--- but
if=$sticks =>
proxy_cache pages; =>
--- client
equals(join(' ', map { head('X-Cdn', through('/static/a.css')) } 1 .. 3), 'MISS MISS MISS', 'nothing');
