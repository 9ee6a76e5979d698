# Header filters of other modules see the module's cookie, and can remove it, in either load order, as with cookies of upstream
# servers.
#
# The other module is tests/probe: with the argument "cookies=show" it copies the cookies to X-Cookies, with "cookies=clear" it
# removes them.

use Sticky;

my @modules = split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
$Test::Nginx::Util::LoadModules = '';

our $sticky_first = join '', map { "load_module $_;\n" } @modules;
our $probe_first = join '', map { "load_module $_;\n" } reverse @modules;

my $servers = servers(<<'_EOC_', qw(A));
add_header Set-Cookie app=1;
location / { return 200 NAME; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    my $mode = $block->mode // '';
    $block->set_value(http_config => "$servers upstream u { server 127.0.0.1:$port{A}; session_sticky $mode; }");
    $block->set_value(config => 'location / { proxy_pass http://u; }');
});

our $ours = 'route=' . id('A');
run_tests();

__DATA__

=== TEST 1: the module is loaded before the other one: it sees both cookies
--- main_config eval: $::sticky_first
--- request
GET /?cookies=show
--- response_headers_like eval
"X-Cookies: app=1\\|$::ours; Path=/\\|"



=== TEST 2: the module is loaded after the other one: the same
--- main_config eval: $::probe_first
--- request
GET /?cookies=show
--- response_headers_like eval
"X-Cookies: app=1\\|$::ours; Path=/\\|"



=== TEST 3: the module is loaded before the other one, which removes both
--- main_config eval: $::sticky_first
--- request
GET /?cookies=clear
--- raw_response_headers_unlike: Set-Cookie



=== TEST 4: the module is loaded after the other one: the same
--- main_config eval: $::probe_first
--- request
GET /?cookies=clear
--- raw_response_headers_unlike: Set-Cookie



=== TEST 5: the other module sees the modified cookie
--- main_config eval: $::sticky_first
--- mode: cookie=app mode=prefix
--- request
GET /?cookies=show
--- response_headers_like eval
my ($id) = $::ours =~ /=(.*)/; "X-Cookies: app=$id~1\\|"



=== TEST 6: the module is loaded after the other one: the same
--- main_config eval: $::probe_first
--- mode: cookie=app mode=prefix
--- request
GET /?cookies=show
--- response_headers_like eval
my ($id) = $::ours =~ /=(.*)/; "X-Cookies: app=$id~1\\|"
