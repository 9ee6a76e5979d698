# Requests that are not simply passed from a location to an upstream, and servers that fail during these: internal redirects,
# error pages, subrequests, the cache. The results are the same as without session_sticky, and no connection or reference is left.
#
# NAME in a plan and in a location is the upstream of the case. nginx itself responds to /elsewhere. /NAME/well and /NAME/fails
# are subrequests with plans of their own: the first server of the one, and all servers of the other, reset the connection.

use Sticky qw(FaultyServers Twins);

worker_connections(1024);

our $servers = FaultyServers->new(1985, 1986);

my $next = 'proxy_next_upstream error timeout http_503;';

# Locations to which those of the cases redirect. Subrequests have names and plans of their own.
my $more = <<'_EOC_';
location = /NAME/again { proxy_next_upstream error timeout http_503; proxy_pass http://NAME; }
location = /NAME/fails {
    proxy_next_upstream error timeout http_503;
    proxy_set_header X-Id NAME-fails-$request_id;
    proxy_set_header X-Plan "reset reset";
    proxy_pass http://NAME;
}
location = /NAME/well {
    proxy_set_header X-Id NAME-well-$request_id;
    proxy_set_header X-Plan "reset ok";
    proxy_next_upstream error timeout http_503;
    proxy_pass http://NAME;
}
_EOC_
my $once = "location = /elsewhere { return 200 elsewhere; }\n";

my $cache = 'proxy_cache c; proxy_cache_key $uri;';

# Each request starts with the first server, so that a cookie for it does not change subrequests either.
my $servers_of_case = 'server 127.0.0.1:1985; server 127.0.0.1:1986 backup;';

our @cases = (
    {name => 'X-Accel-Redirect', location => $next, request => ['accel:/elsewhere', 'reset accel:/elsewhere', 'ok']},
    {name => 'X-Accel-Redirect to the same upstream', location => $next,
     request => ['accel:/NAME/again ok', 'accel:/NAME/again reset ok', 'ok']},
    {name => 'X-Accel-Redirect to a location where all servers fail', location => $next, request => ['accel:/NAME/fails', 'ok']},
    {name => 'error_page', location => 'proxy_next_upstream off; error_page 502 504 =200 /elsewhere;',
     request => ['reset', 'ok', 'hang', 'ok']},
    {name => 'error_page with the same upstream',
     location => 'proxy_next_upstream off; error_page 502 = /NAME/again;', request => ['reset ok', 'ok']},
    {name => 'error_page with a location where all servers fail', location => "$next error_page 502 = /NAME/fails;",
     request => ['reset reset', 'ok']},
    {name => 'proxy_intercept_errors', location => 'proxy_intercept_errors on; error_page 503 404 =200 /elsewhere;',
     request => ['503', '404', 'ok']},
    {name => 'proxy_intercept_errors, after another server', location => "$next proxy_intercept_errors on; error_page 503 /elsewhere;",
     request => ['503 503', 'ok']},
    {name => 'proxy_intercept_errors, and the same upstream', location => 'proxy_intercept_errors on; error_page 503 = /NAME/again;',
     request => ['503 ok', 'ok', '503 reset ok']},
    {name => 'a cached response', location => "$next $cache", request => ['cache', 'reset', 'hang']},
    {name => 'the cache stores the response of another server', location => "$next $cache", request => ['reset cache', 'reset']},
    {name => 'the cache stores an error', location => "$next $cache proxy_cache_valid 503 1m;", request => ['503 503', 'ok']},
    {name => 'a stale response is used when the servers fail',
     location => "$next $cache proxy_cache_use_stale error timeout http_503; proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1s;",
     request => ['cache', {plan => 'reset reset', later => 1}, 'ok']},
    {name => 'proxy_cache_lock', location => "$next $cache proxy_cache_lock on;", request => ['reset cache', 'ok']},
    {name => 'auth_request', cookie => '127.0.0.1:1985', servers => $servers_of_case =~ s/(85|backup)/$1 max_fails=9/gr,
     location => "$next auth_request /NAME/well;", request => ['ok', 'reset ok', 'ok']},
    {name => 'auth_request that fails', cookie => '127.0.0.1:1985', location => "$next auth_request /NAME/fails;", request => ['ok', 'ok']},
    {name => 'mirror', cookie => '127.0.0.1:1985', location => "$next mirror /NAME/well;", request => ['ok']},
    {name => 'subrequests of a page', cookie => '127.0.0.1:1985', request => ['ok', 'ok'],
     location => 'ssi on; ssi_types *; return 200 "<!--# include virtual=/NAME/well --><!--# include virtual=/NAME/fails -->";'},
    {name => 'HEAD', location => $next, request => [{method => 'HEAD', plan => 'reset ok'}, {method => 'HEAD'}]},
    {name => 'unbuffered', location => "$next proxy_buffering off;", request => ['reset ok', 'body-empty', 'ok']},
    {name => 'a header that is too large', location => "$next proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k;",
     request => ['large ok', 'ok']},
);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $zone = $block->zone =~ /(\w+)/ ? $1 : '';
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    # Each block has a cache of its own.
    my $cached = 'cached_' . ($zone || 'without');
    my @these = map { +{servers => $servers_of_case, %$_} } @cases;
    fill($block, "proxy_cache_path ${cached}_cache keys_zone=$cached:1m;\n"
                 . twins($zone, $more, @these) =~ s/proxy_cache c;/proxy_cache $cached;/gr =~ s/(listen .*1980.*\n)/$1$once/r);
    $block->set_value(client => sub { compare($servers, @these) });
});

run_tests();

__DATA__

=== without a zone
--- zone: -



=== with a zone
--- zone: detours
